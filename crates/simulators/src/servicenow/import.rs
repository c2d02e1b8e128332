//! The Import Set API: one staging table for every name that begins with `u_`, with a transform map that coalesces on
//! `correlation_id`. What a transform cannot do is told inside of an answer that says 201.

use http::Method;
use serde_json::{Map, Value, json};

use crate::servicenow::answer::Refusal;
use crate::servicenow::call::{self, Call};
use crate::servicenow::instance::Instance;
use crate::servicenow::table;
use crate::servicenow::write::{Input, Write};
use crate::simulator::Response;

/// The target of the transform map.
const TARGET: &str = "incident";

/// Answers a row for a staging table.
pub fn serve(instance: &mut Instance, call: &Call<'_>, staging: &str) -> Result<Response, Refusal> {
    if call.method != Method::POST {
        return Err(call::no_method());
    }
    if !staging.starts_with("u_") {
        return Err(Refusal::plain(400, format!("Invalid staging table {staging}")));
    }
    let fields = call.fields()?;
    call.user.may_write("Insert")?;
    let row = transform(instance, call, &fields)?;
    let body = json!({ "import_set": "ISET0010001", "staging_table": staging, "result": [row] });
    Ok(Response::json(201, &body, "took an import row"))
}

fn transform(
    instance: &mut Instance,
    call: &Call<'_>,
    fields: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let target = table::named(TARGET)?;
    let key = fields
        .get("correlation_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let found = instance
        .records(TARGET)
        .find(|record| !key.is_empty() && record.get("correlation_id") == key);
    let found = found.map(|record| record.sys_id.clone());
    let write = Write {
        fields,
        input: Input::Values,
        user: &call.user,
        now: &call.now,
    };
    let status = if found.is_some() { "updated" } else { "inserted" };
    let done = match found {
        Some(sys_id) => instance.update(target, &sys_id, &write).map(|()| sys_id),
        None => instance.insert(target, &write),
    };
    let sys_id = match done {
        Ok(sys_id) => sys_id,
        Err(refusal) => {
            let words = refusal.detail.unwrap_or(refusal.message);
            return Ok(json!({
                "transform_map": "OpsKnight", "table": TARGET, "status": "error", "error_message": words,
            }));
        }
    };
    Ok(json!({
        "transform_map": "OpsKnight",
        "table": TARGET,
        "display_name": "number",
        "display_value": instance.name_of(TARGET, &sys_id),
        "record_link": format!("{}/api/now/table/{TARGET}/{sys_id}", call.base()),
        "status": status,
        "sys_id": sys_id,
    }))
}
