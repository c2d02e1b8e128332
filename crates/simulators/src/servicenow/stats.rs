//! The Aggregate API: how many records a query selects, in all or by the values of fields.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::servicenow::answer::{self, Refusal};
use crate::servicenow::call::{self, Call};
use crate::servicenow::instance::Instance;
use crate::servicenow::table;
use crate::simulator::Response;

/// Answers a request for figures.
pub fn serve(instance: &Instance, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    if call.method != Method::GET {
        return Err(call::no_method());
    }
    let table = table::named(name)?;
    let records = table::selected(instance, call, table);
    let sentence = format!("counted {} in {name}", records.len());
    let by: Vec<&str> = call
        .parameters
        .get("sysparm_group_by")
        .split(',')
        .filter(|name| table.field(name).is_some())
        .collect();
    if by.is_empty() {
        let figures = json!({ "stats": { "count": records.len().to_string() } });
        return Ok(answer::result(200, &figures, sentence));
    }
    let mut groups: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    for record in records {
        let values: Vec<&str> = by.iter().map(|name| record.get(name)).collect();
        let count = groups.entry(values).or_default();
        *count = count.saturating_add(1);
    }
    let shown: Vec<Value> = groups
        .into_iter()
        .map(|(values, count)| {
            let pairs = by.iter().zip(values);
            let fields: Vec<Value> = pairs
                .map(|(field, value)| json!({ "field": field, "value": value }))
                .collect();
            json!({ "stats": { "count": count.to_string() }, "groupby_fields": fields })
        })
        .collect();
    Ok(answer::result(200, &Value::Array(shown), sentence))
}
