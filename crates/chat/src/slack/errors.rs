//! Slack's names for what went wrong, sorted by what helps: those of the Web API (`error` in an answer with `ok:
//! false`) and those of incoming webhooks (the whole body) in one table.

use crate::slack::Action;

/// What an error of Slack calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The incident's message is gone or closed: a new one.
    Lost,
    /// Fewer requests.
    Limited,
    /// A long wait: the workspace has used up its messages.
    Exhausted,
    /// A long pause: the workspace is being moved.
    Moving,
    /// Another attempt later.
    Passing,
    /// A person, and what they can do.
    Person(&'static str),
    /// Another form of the message.
    Message,
    /// Nothing that is known.
    Unknown,
}

/// Sorts an error that came to a request for this.
pub fn sort(error: &str, action: &Action) -> Sort {
    let is_lost = match action {
        Action::Post => false,
        Action::Update(_) => matches!(
            error,
            "message_not_found"
                | "cant_update_message"
                | "edit_window_closed"
                | "is_inactive"
                | "block_mismatch"
                | "streaming_state_conflict"
        ),
        Action::Reply(_) => matches!(
            error,
            "message_not_found" | "thread_not_found" | "cannot_reply_to_message"
        ),
    };
    match error {
        _ if is_lost => Sort::Lost,
        "ratelimited" | "rate_limited" => Sort::Limited,
        "message_limit_exceeded" => Sort::Exhausted,
        "org_login_required" | "team_added_to_org" => Sort::Moving,
        "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "update_failed"
        | "external_channel_migrating"
        | "rollup_error" => Sort::Passing,
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "invalid_payload"
        | "invalid_arguments"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text"
        | "too_many_attachments"
        | "metadata_too_large"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_must_be_sent_from_app"
        | "invalid_arg_name"
        | "invalid_array_arg"
        | "invalid_charset"
        | "invalid_form_data"
        | "invalid_json"
        | "invalid_post_type"
        | "missing_post_type" => Sort::Message,
        _ => advice(error).map_or(Sort::Unknown, Sort::Person),
    }
}

/// What a person can do about an error in the settings.
fn advice(error: &str) -> Option<&'static str> {
    let advice = match error {
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "not_allowed_token_type" => "install the app again and put its bot token here",
        "missing_scope" | "no_permission" => "give the app the scope chat:write and install it again",
        "channel_not_found" => "check the channel's id, and invite the app if the channel is private",
        "not_in_channel" => "invite the app to the channel",
        "is_archived" | "channel_is_archived" => "unarchive the channel or choose another",
        "restricted_action_non_threadable_channel" => {
            "this channel takes no threads: choose another way of messages"
        }
        "posting_to_general_channel_denied"
        | "action_prohibited"
        | "ekm_access_denied"
        | "access_denied"
        | "accesslimited"
        | "team_access_not_granted"
        | "enterprise_is_restricted"
        | "two_factor_setup_required" => "ask an administrator of the workspace to allow it",
        "invalid_token" | "no_service" | "no_service_id" | "no_active_hooks" | "no_team"
        | "team_disabled" | "team_not_found" | "user_not_found" => {
            "make a new incoming webhook and put its URL here"
        }
        "unknown_method" | "method_deprecated" | "deprecated_endpoint" => {
            "leave the URL empty: it is Slack's own then"
        }
        _ if error.starts_with("restricted_action") => "ask an administrator of the workspace to allow it",
        _ => return None,
    };
    Some(advice)
}
