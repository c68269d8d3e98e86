//! Prints what a program saw: one line of JSON for each feature. An error is a fact as well.

use serde_json::{json, Value};

pub type Facts = Result<Value, Box<dyn std::error::Error>>;

pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// The bootstrap servers, and the prefix of every name that the program may use.
pub fn arguments() -> (String, String) {
    let mut last: Vec<String> = std::env::args().rev().take(2).collect();
    (last.pop().expect("bootstrap servers"), last.pop().expect("a prefix"))
}

pub fn feature(name: &str, seen: Facts) {
    let mut line = json!({"feature": name, "ok": seen.is_ok()});
    match seen {
        Ok(facts) => line.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone()),
        Err(error) => line["error"] = json!(error.to_string()),
    }
    println!("{line}");
}

/// Whoever runs this program stops the broker in good order and starts it again.
pub fn restart_broker() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", json!({"please": "restart the broker"}));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "done" => Ok(()),
        other => Err(format!("nobody restarted the broker: {other}").into()),
    }
}

pub fn key(i: usize) -> String {
    format!("key-{i}")
}

/// Long enough to be worth compressing.
pub fn value(i: usize) -> String {
    format!("value-{i}-{i:0200}")
}

pub fn header(i: usize) -> String {
    format!("header-{i}")
}

/// Records as they were read: key, value and the first header's value.
pub fn round_trip(records: &[(String, String, String)]) -> Value {
    let count = |equal: &dyn Fn(usize, &(String, String, String)) -> bool| {
        records.iter().enumerate().filter(|(i, record)| equal(*i, record)).count()
    };
    json!({
        "keys": count(&|i, record| record.0 == key(i)),
        "values": count(&|i, record| record.1 == value(i)),
        "headers": count(&|i, record| record.2 == header(i)),
    })
}
