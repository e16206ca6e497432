//! Counts, which are the same for workflows, activities and Nexus operations.

use serde_json::Value as Json;

use crate::{call::Call, session::Session};

/// Calls, and prints the total and the groups.
pub(crate) async fn print<C: Call>(session: &Session, request: C) -> anyhow::Result<()> {
    let answer = session.call(request).await?;
    let rendered = session.render::<C>(&answer)?;
    if !session.output.is_text() {
        return session.output.json(&rendered);
    }
    let count = |of: &Json| of.get("count").and_then(Json::as_str).unwrap_or("0").to_owned();
    session.output.say(format!("Total: {}", count(&rendered)))?;
    for group in rendered.get("groups").and_then(Json::as_array).into_iter().flatten() {
        let values = group.get("groupValues").and_then(Json::as_array).into_iter().flatten();
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values: Vec<String> = values.map(text).collect();
        session.output.say(format!("Group total: {}, values: {}", count(group), values.join(", ")))?;
    }
    Ok(())
}
