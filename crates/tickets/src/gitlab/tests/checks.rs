//! *Check connection*, and where requests go.

use super::*;
use crate::forge::Vendor;
use crate::forge::test_desk::raw;
use crate::gitlab::GitLab;
use destination::ticketing::FindingState;
use url::Url;

fn project(level: &Value) -> Exchange {
    let access = json!({ "project_access": { "access_level": level }, "group_access": null });
    answer(
        200,
        &json!({ "path_with_namespace": "acme/sre/operations", "issues_access_level": "enabled",
                 "archived": false, "permissions": access }),
    )
}

fn token(scopes: &[&str]) -> Exchange {
    answer(
        200,
        &json!({ "scopes": scopes, "active": true, "expires_at": "2025-01-15" }),
    )
}

#[test]
fn a_connection_is_told_part_by_part() {
    use FindingState::{Bad, Good, Unsure};
    let sample = sample(EventName::Triggered).with_option("assignees", "Ada = ada\nBob = 32");
    let me = raw(200, &[], DESK.me);
    let none = answer(200, &json!([]));
    let people = answer(
        200,
        &json!([{ "id": 31, "username": "ada" }, { "id": 32, "username": "bob" }]),
    );
    let answers = [
        me.clone(),
        token(&["api"]),
        project(&json!(20)),
        none.clone(),
        people,
    ];
    let (requests, findings) = DESK.findings(&sample, &answers);
    assert_eq!(requests[4], format!("GET {PROJECT}/members/all?per_page=100 "));
    let states: Vec<_> = findings.iter().map(|finding| finding.state).collect();
    assert_eq!(
        states,
        [Good, Good, Good, Good, Good, Good, Good, Unsure],
        "{findings:#?}"
    );
    let bad = [
        me.clone(),
        token(&["read_api"]),
        project(&json!(10)),
        none.clone(),
        none.clone(),
    ];
    let findings = DESK.findings(&sample, &bad).1;
    let states: Vec<_> = findings.iter().map(|finding| finding.state).collect();
    assert_eq!(
        states,
        [Good, Bad, Good, Good, Bad, Good, Bad, Unsure],
        "{findings:#?}"
    );
    let refusal = refused(404, "404 Not Found");
    let silent = [me, refusal, project(&Value::Null), none.clone(), none];
    let findings = DESK.findings(&sample, &silent).1;
    assert_eq!(findings[3].state, Unsure, "{findings:#?}");
}

#[test]
fn a_gitlab_below_a_path_is_reached_there() {
    let at = |url: &str, base: &str| {
        let mut sample = sample(EventName::Triggered).with_option("basePath", base);
        sample.target.url = Url::parse(url).unwrap();
        sample
    };
    for base in ["/dev/gitlab", "dev/gitlab/"] {
        let sample = at("https://example.org/dev/gitlab/group/project", base);
        assert_eq!(DESK.problems(&sample), []);
        let place = GitLab
            .place(&sample.target)
            .signed(GitLab.forge(), &sample.target)
            .unwrap();
        let url = place.get_own(&["issues", "12"], &[]).url;
        assert_eq!(
            url.as_str(),
            "https://example.org/dev/gitlab/api/v4/projects/group%2Fproject/issues/12"
        );
        let page = "https://example.org/dev/gitlab/group/project/-/issues/12";
        assert_eq!(place.page("12"), page);
        let named = ADAPTER.ticketing().unwrap().reference(&sample.target, page);
        assert_eq!(named.as_deref(), Ok("12"));
    }
    let wrong = [
        ("https://example.org/group/project", "/gitlab", "basePath"),
        ("https://example.org/gitlab/project", "/gitlab", "url"),
        ("https://gitlab.com/group", "", "url"),
        ("https://gitlab.com/group/project/-/issues", "", "url"),
        ("https://gitlab.com/group/project.git", "", "url"),
    ];
    for (url, base, field) in wrong {
        let problems = DESK.problems(&at(url, base));
        assert_eq!(problems.first().map(|problem| problem.0), Some(field), "{url}");
    }
}
