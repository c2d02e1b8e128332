//! How S3 presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

use crate::aws::{ACCESS_KEY, REGION, SECRET_KEY};
use crate::size::{GROUP, MAX_EVENTS, MAX_KILOBYTES, MAX_SECONDS, Size};

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "s3",
    name: "Amazon S3",
    summary: "Many events as one object of a bucket, by date: of Amazon S3, MinIO, Cloudflare R2, Ceph, Garage and others.",
    url: UrlField::Open {
        placeholder: "https://incidents.s3.eu-central-1.amazonaws.com",
        hint: "The bucket's address, with its name in front; or behind, such as https://minio.example.com:9000/incidents.",
    },
    fields: &[
        ACCESS_KEY,
        SECRET_KEY,
        REGION,
        PREFIX,
        FORMAT,
        COMPRESSION,
        SIZE.events,
        SIZE.kilobytes,
        SIZE.seconds,
    ],
    steps: &[
        "Make a bucket, and put its address into URL: https://NAME.s3.REGION.amazonaws.com; of another server with the bucket's name as path.",
        "In IAM, create a user whose only permission is s3:PutObject on arn:aws:s3:::NAME/*.",
        "If the bucket is encrypted with a KMS key of yours, add kms:GenerateDataKey on that key.",
        "Create an access key for the user, and put its two parts into Access key ID and Secret access key.",
        "Of another server, put its region into Region: us-east-1 for most, auto for Cloudflare R2.",
        "Send a test, and look for its object in the bucket.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

/// Begins the key of every object.
pub(super) const PREFIX: Field = Field {
    name: "prefix",
    label: "Folder",
    hint: "Begins each key. {year}, {month}, {day} and {hour} are those of the object's first event, in UTC.",
    placeholder: "opsknight/dt={year}-{month}-{day}/",
    default: "opsknight/{year}/{month}/{day}/",
    ..Field::LINE
};

const FORMAT: Field = Field {
    name: "format",
    label: "Format",
    hint: "A line of JSON for each event, or a table.",
    input: Input::Choice(&[
        ("ndjson", "OpsKnight's own JSON, with the event's id"),
        ("cloudevents", "CloudEvents 1.0: the JSON in an envelope"),
        ("parquet", "Parquet: typed columns"),
    ]),
    default: "ndjson",
    ..Field::LINE
};

const COMPRESSION: Field = Field {
    name: "compression",
    label: "Compression",
    hint: "Packed objects end with .gz; Parquet is packed in itself.",
    input: Input::Choice(&[("gzip", "gzip"), ("none", "None")]),
    default: "gzip",
    collapsed_group: GROUP,
    ..Field::LINE
};

/// How large objects become: larger ones, and later, than requests to somebody who waits for them.
pub(super) const SIZE: Size = Size {
    events: Field {
        default: "1000",
        ..MAX_EVENTS
    },
    kilobytes: Field {
        default: "4096",
        ..MAX_KILOBYTES
    },
    seconds: Field {
        default: "60",
        ..MAX_SECONDS
    },
};
