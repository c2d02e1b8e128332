//! The business rule that tells us of changed tickets, ready to be pasted.

use serde_json::json;

use crate::servicenow::callback::{SECRET_HEADER, secret};
use crate::servicenow::record::DISPLAY;
use crate::servicenow::settings::{account, table};
use destination::callback::Call;

/// The rule's script. Names between `%` are put in as JavaScript.
const SCRIPT: &str = r#"// OpsKnight is told of changed tickets by this business rule.
// 1. In the instance, open System Definition > Business Rules and choose New.
// 2. Name it OpsKnight, choose the table %table_name%, and tick Active and Advanced.
// 3. Under When to run, set When to async, and tick Insert and Update.
// 4. Put this whole text into the field Script of the tab Advanced, and submit.
// It holds a secret: let only administrators see it. Once the webhook's signing secret is rotated, it has to be
// pasted anew before the old one ends.
(function executeRule(current) {
    var ours = %account%;
    if (current.getValue('correlation_display') != %display%) {
        return;
    }
    if (ours && current.getValue('sys_updated_by') == ours) {
        return;
    }
    try {
        var message = new sn_ws.RESTMessageV2();
        message.setEndpoint(%callback%);
        message.setHttpMethod('post');
        message.setHttpTimeout(10000);
        message.setRequestHeader('Content-Type', 'application/json');
        message.setRequestHeader('%header%', %secret%);
        message.setRequestBody(JSON.stringify({
            sys_id: current.getUniqueValue(),
            number: current.getValue('number'),
            correlation_id: current.getValue('correlation_id'),
            sys_mod_count: current.getValue('sys_mod_count'),
            updated_by: current.getValue('sys_updated_by')
        }));
        var answer = message.execute();
        if (answer.getStatusCode() != 200) {
            gs.warn('OpsKnight answered ' + answer.getStatusCode());
        }
    } catch (error) {
        // Nothing is lost: OpsKnight looks at its tickets from time to time by itself.
        gs.warn('OpsKnight could not be told: ' + error);
    }
})(current);
"#;

/// The script for a target, with its secret.
pub(super) fn help(call: &Call<'_>, callback: &str) -> Option<String> {
    // A JSON text is a JavaScript text.
    let literal = |text: &str| json!(text).to_string();
    let script = SCRIPT
        .replace("%table_name%", table(call.target))
        .replace("%account%", &literal(account(call.target)))
        .replace("%display%", &literal(DISPLAY))
        .replace("%header%", SECRET_HEADER)
        .replace("%secret%", &literal(&secret(call.signing)))
        .replace("%callback%", &literal(callback));
    Some(script)
}
