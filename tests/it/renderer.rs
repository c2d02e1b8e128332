//! Workers that render templates, without a server around them.

use std::sync::Arc;

use destination::template::context::Context;
use destination::template::{Escape, Made, Templates};
use model::attempt::Disposition;
use renderer::{Renderer, Turn, Unavailable};

fn renderer() -> Renderer {
    Renderer::new(env!("CARGO_BIN_EXE_opsknight").into())
}

async fn made(renderer: &Renderer, source: &str) -> Result<Made, Unavailable> {
    let context = Arc::new(Context::default().with("name", "Zoë"));
    let work = |templates: &Templates| templates.render(source, &context, Escape::Nothing);
    let settled = renderer.settle(Turn::People, work).await;
    settled.map(|(made, _)| made)
}

/// The processes that this one has started for rendering.
fn workers() -> Vec<rustix::process::Pid> {
    let own = std::process::id();
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<i32>().ok());
    let is_ours = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_worker = command.windows(13).any(|part| part == b"render-worker");
        is_worker && status.contains(&format!("PPid:\t{own}\n"))
    };
    pids.filter(is_ours)
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
}

#[tokio::test]
async fn texts_come_back_and_so_do_mistakes() {
    let renderer = renderer();
    assert_eq!(
        made(&renderer, "{{ name | upper }}").await.unwrap(),
        Ok("ZOË".into())
    );
    let mistake = made(&renderer, "a\n{{ nonsense }}").await.unwrap().unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "at line 2, column 4: `nonsense` is undefined"
    );
    assert_eq!(mistake.disposition, Disposition::Permanent);
    let deep = format!("{{{{ 1{} }}}}", "+1".repeat(8000));
    assert!(
        made(&renderer, &deep).await.is_ok(),
        "whatever comes of it, the worker answers"
    );
    assert_eq!(made(&renderer, "{{ 1 + 1 }}").await.unwrap(), Ok("2".into()));
}

#[tokio::test]
async fn a_worker_that_somebody_else_ends_is_replaced_and_no_template_is_at_fault() {
    let renderer = renderer();
    assert!(made(&renderer, "{{ name }}").await.unwrap().is_ok());
    // Other tests of this process may lose theirs, too: nobody notices.
    for worker in workers() {
        let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
    }
    assert_eq!(made(&renderer, "{{ name }}").await.unwrap(), Ok("Zoë".into()));
}

#[tokio::test]
async fn without_a_program_nothing_is_rendered_and_that_is_said() {
    let renderer = Renderer::new("/no/such/program".into());
    let unavailable = made(&renderer, "{{ name }}").await.unwrap_err().to_string();
    assert!(unavailable.starts_with("the server cannot render templates now: no worker can be started"));
    // What is no template needs no worker.
    assert_eq!(made(&renderer, "plain").await.unwrap(), Ok("plain".into()));
}

#[tokio::test]
async fn whoever_waits_behind_a_bomb_of_somebody_else_is_served_meanwhile() {
    let renderer = renderer();
    let doubled = "{% set a=[a,a] %}{% set b=[b,b] %}".repeat(40);
    let bomb = format!("{{% set a=[1] %}}{{% set b=[1] %}}{doubled}{{{{ a == b }}}}");
    let context = Arc::new(Context::default());
    let of = |byte| {
        Turn::Webhook(model::id::WebhookId::new(
            model::time::Timestamp::EPOCH,
            [byte; 10],
        ))
    };
    let harmful = renderer.settle(of(1), |templates: &Templates| {
        templates.render(&bomb, &context, Escape::Nothing)
    });
    let again = renderer.settle(of(1), |templates: &Templates| {
        templates.render(&bomb, &context, Escape::Nothing)
    });
    let mut harmful = Box::pin(async { tokio::join!(harmful, again) });
    let other = renderer.settle(of(2), |templates: &Templates| {
        templates.render("{{ 2 }}", &context, Escape::Nothing)
    });
    let (first, _) = tokio::select! {
        biased;
        _ = &mut harmful => panic!("the bombs are over before the harmless one"),
        other = other => other.unwrap(),
    };
    assert_eq!(first, Ok("2".into()));
    let (one, two) = harmful.await;
    for (made, _) in [one.unwrap(), two.unwrap()] {
        assert_eq!(made.unwrap_err().disposition, Disposition::Harmful);
    }
}
