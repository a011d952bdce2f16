//! What had happened when a story went another way.

use crate::world::World;

/// Returns what people would look at: every change with its story, the hosts, the messages.
pub(crate) async fn timeline(world: &World) -> Vec<String> {
    let mut lines = vec![format!(
        "it is {}, {} after the beginning",
        world.now().time_of_day(),
        model::time::short(world.age())
    )];
    if let Err(why) = tell(world, &mut lines).await {
        lines.push(format!("more cannot be read: {why:#}"));
    }
    lines
}

async fn tell(world: &World, lines: &mut Vec<String>) -> anyhow::Result<()> {
    for change in world.changes().await?.iter().rev() {
        let view = world.change(change.id).await?;
        lines.push(format!("{} {}: {}", change.id, change.title, view.sentence));
        for item in &view.timeline {
            lines.push(format!(
                "  {} {}: {}",
                item.at.time_of_day(),
                item.actor,
                item.text
            ));
            lines.extend(item.detail.iter().map(|more| format!("      {more}")));
        }
    }
    for host in world.hosts().await? {
        for service in &host.services {
            let running = service.running.as_ref().map_or("nothing", |v| v.as_str());
            lines.push(format!(
                "{} is {}: wants {}, runs {running} {}",
                host.name, service.proof, service.wanted, service.why
            ));
        }
    }
    for row in world.messages() {
        lines.push(format!("{} got: {}", row.destination, row.message.title));
    }
    Ok(())
}
