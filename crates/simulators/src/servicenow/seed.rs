//! What the instance holds before anybody writes: users, groups, configuration items, and what tells of the tables
//! themselves: their dictionary, their choices, their names, a few properties.

use crate::servicenow::instance::{Instance, Record};
use crate::servicenow::schema::{BASE, Kind, SetBy, TABLES, Table};

/// When the instance was made.
const MADE_AT: &str = "2025-01-01 00:00:00";

/// The user that may read but not write.
pub const READER: &str = "read.only";
/// The user that keys and client credentials stand for.
pub const INTEGRATION: &str = "opsknight.integration";

const USERS: [(&str, &str, &str); 6] = [
    ("admin", "System", "Administrator"),
    (INTEGRATION, "OpsKnight", "Integration"),
    (READER, "Read", "Only"),
    ("ada.lovelace", "Ada", "Lovelace"),
    ("grace.hopper", "Grace", "Hopper"),
    ("abel.tuter", "Abel", "Tuter"),
];
const GROUPS: [&str; 3] = ["Service Desk", "Network", "Database"];
const ITEMS: [&str; 2] = ["checkout", "payments"];
const PROPERTIES: [(&str, &str); 3] = [
    ("instance_name", "opsknight-fake"),
    ("glide.sys.default.tz", "UTC"),
    ("glide.invalid_query.returns_no_rows", "false"),
];

/// Fills an empty instance.
pub fn fill(instance: &mut Instance) {
    for (user_name, first, last) in USERS {
        let name = format!("{first} {last}");
        let email = format!("{user_name}@example.com");
        let values = [
            ("user_name", user_name),
            ("name", &name),
            ("first_name", first),
            ("last_name", last),
            ("email", &email),
            ("active", "true"),
        ];
        plant(instance, "sys_user", &values);
    }
    for name in GROUPS {
        plant(instance, "sys_user_group", &[("name", name), ("active", "true")]);
    }
    for name in ITEMS {
        plant(instance, "cmdb_ci", &[("name", name)]);
    }
    for (name, value) in PROPERTIES {
        plant(instance, "sys_properties", &[("name", name), ("value", value)]);
    }
    let mut base = String::new();
    for table in TABLES {
        let parent = table.task.as_ref().map_or("", |_| base.as_str());
        let values = [
            ("name", table.name),
            ("label", table.label),
            ("super_class", parent),
        ];
        let sys_id = plant(instance, "sys_db_object", &values);
        if table.name == BASE {
            base = sys_id;
        }
        describe(instance, table);
    }
}

/// Tells of a table's fields and their choices, once for each table that declares them.
fn describe(instance: &mut Instance, table: &'static Table) {
    for field in table.fields() {
        let owner = table.owner(field);
        let is_told = |record: &Record| record.get("name") == owner && record.get("element") == field.name;
        if instance.records("sys_dictionary").any(is_told) {
            continue;
        }
        let max_length = field.max_length.to_string();
        let read_only = (field.set_by == SetBy::Platform).to_string();
        let reference = if let Kind::Reference(table) = field.kind {
            table
        } else {
            ""
        };
        let values = [
            ("name", owner),
            ("element", field.name),
            ("column_label", field.label),
            ("internal_type", field.kind.internal_type()),
            ("reference", reference),
            ("max_length", &max_length),
            ("mandatory", "false"),
            ("read_only", &read_only),
            ("active", "true"),
        ];
        plant(instance, "sys_dictionary", &values);
        for (place, (value, label)) in field.kind.choices().iter().enumerate() {
            let sequence = place.to_string();
            let values = [
                ("name", owner),
                ("element", field.name),
                ("value", *value),
                ("label", *label),
                ("language", "en"),
                ("sequence", &sequence),
                ("inactive", "false"),
            ];
            plant(instance, "sys_choice", &values);
        }
    }
}

/// Adds a record of the platform; tells its id.
fn plant(instance: &mut Instance, table: &'static str, values: &[(&'static str, &str)]) -> String {
    let sys_id = instance.next_id();
    let mut record = Record::new(table, &sys_id);
    for (name, value) in values {
        record.set(name, *value);
    }
    for name in ["sys_created_on", "sys_updated_on"] {
        record.set(name, MADE_AT);
    }
    for name in ["sys_created_by", "sys_updated_by"] {
        record.set(name, "admin");
    }
    record.set("sys_mod_count", "0");
    instance.add(record);
    sys_id
}
