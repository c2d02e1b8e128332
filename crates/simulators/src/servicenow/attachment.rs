//! The Attachment API: files beside records. What is read back is text; other bytes are not simulated.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::servicenow::answer::{self, Refusal};
use crate::servicenow::call::{self, Call, Route};
use crate::servicenow::instance::{Instance, Record};
use crate::servicenow::schema::{self, Table};
use crate::servicenow::table;
use crate::simulator::Response;

/// The largest file that is taken.
const MAX_FILE_BYTES: usize = 1 << 20;
const TABLE: &str = "sys_attachment";

/// Answers a request about attachments.
pub fn serve(instance: &mut Instance, call: &Call<'_>) -> Result<Response, Refusal> {
    let table = table::named(TABLE)?;
    match (call.route, call.method) {
        (Route::Attachments, &Method::GET) => Ok(list(instance, call, table)),
        (Route::File(None), &Method::POST) => upload(instance, call),
        (Route::File(Some(sys_id)), &Method::GET) => {
            let record = instance.find(TABLE, sys_id).ok_or_else(Refusal::no_record)?;
            let bytes = instance.files.get(sys_id).map_or(&[][..], Vec::as_slice);
            Ok(Response {
                headers: vec![("content-type", record.get("content_type").to_owned())],
                body: String::from_utf8_lossy(bytes).into_owned(),
                ..Response::json(200, &Value::Null, "gave a file")
            })
        }
        _ => Err(call::no_method()),
    }
}

fn list(instance: &Instance, call: &Call<'_>, table: &'static Table) -> Response {
    let records = table::selected(instance, call, table);
    let limit = call.parameters.number("sysparm_limit").unwrap_or(usize::MAX);
    let offset = call.parameters.number("sysparm_offset").unwrap_or(0);
    let page: Vec<Value> = records
        .iter()
        .skip(offset)
        .take(limit)
        .map(|record| shown(call, record))
        .collect();
    let mut answer = answer::result(200, &Value::Array(page), "listed attachments");
    answer.headers.push(("x-total-count", records.len().to_string()));
    answer
}

fn upload(instance: &mut Instance, call: &Call<'_>) -> Result<Response, Refusal> {
    call.user.may_write("Insert")?;
    let parameter = |name: &str| call.parameters.get(name);
    let (on, on_id) = (parameter("table_name"), parameter("table_sys_id"));
    if parameter("file_name").is_empty() || instance.find(table::named(on)?.name, on_id).is_none() {
        return Err(Refusal::new(
            400,
            "Failed to create the attachment",
            "The record or the file name is missing",
        ));
    }
    if call.body.len() > MAX_FILE_BYTES {
        return Err(Refusal::plain(413, "The file is too large"));
    }
    let content_type = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let sys_id = instance.next_id();
    let mut record = Record::new(TABLE, &sys_id);
    record.set("file_name", parameter("file_name"));
    record.set("content_type", content_type.unwrap_or("application/octet-stream"));
    record.set("table_name", on);
    record.set("table_sys_id", on_id);
    record.set("size_bytes", call.body.len().to_string());
    for (at, by) in [
        ("sys_created_on", "sys_created_by"),
        ("sys_updated_on", "sys_updated_by"),
    ] {
        record.set(at, call.now.as_str());
        record.set(by, call.user.name.as_str());
    }
    let mut answer = answer::result(
        201,
        &shown(call, &record),
        format!("attached {}", record.get("file_name")),
    );
    answer
        .headers
        .push(("location", format!("{}/api/now/attachment/{sys_id}", call.base())));
    instance.files.insert(sys_id, call.body.to_vec());
    instance.add(record);
    Ok(answer)
}

/// An attachment is told of in plain values, with a link to its content.
fn shown(call: &Call<'_>, record: &Record) -> Value {
    let fields = schema::table(TABLE).into_iter().flat_map(Table::fields);
    let mut shown: serde_json::Map<String, Value> = fields
        .map(|field| (field.name.to_owned(), json!(record.get(field.name))))
        .collect();
    let link = format!("{}/api/now/attachment/{}/file", call.base(), record.sys_id);
    shown.insert("download_link".to_owned(), json!(link));
    Value::Object(shown)
}
