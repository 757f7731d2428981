//! Sinks: where rows go, and whether the sink takes what the query gives.

use std::collections::HashSet;
use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::BoundFormat;
use brisk_core::graph::{Distribution, NodeKind, Port, SinkNode};
use brisk_core::sink::{Guarantee, Sink};
use brisk_core::{Error, Result, Schema};
use brisk_operators::not_null::NotNullSpec;
use brisk_operators::sink_upsert_materializer::{SinkUpsertMaterializerSpec, UpsertMaterialize};

use super::properties::upsert_key;
use super::scan::{Direction, bind_encoder, describe_table};
use super::{NewEdge, NewOperator, Planner, Stream, names};
use crate::logical::{Insert, Plan};

impl Planner<'_> {
    pub(super) fn insert(&mut self, insert: &Insert, plan: &Plan) -> Result<()> {
        let table = &insert.table;
        let (connector, mut descriptor, _) = describe_table(table, self.context, Direction::Write)?;
        bind_encoder(table, &mut descriptor, self.context)?;
        let takes = match &descriptor.format {
            Some(BoundFormat { encoder: Some(encoder), .. }) => encoder.changelog_mode(),
            _ => connector.sink_mode(&descriptor),
        };
        let updates = self.updates(plan);
        if updates && takes == ChangelogMode::Append {
            return Err(Error::invalid(format!("table `{}` takes only insertions, but this query corrects and deletes rows it gave before", table.name))
                .with_remedy("write to a table whose connector or format takes changes (such as debezium-json), or aggregate by window"));
        }
        let key = &descriptor.primary_key;
        let by_key = updates && !key.is_empty();
        let materializes = by_key && takes == ChangelogMode::Upsert && self.materializes(plan, key);
        let stream = self.build(plan, updates && (takes == ChangelogMode::Retract || materializes))?;
        let stream = self.not_null(insert, stream);
        let stream = if materializes { self.upsert_materializer(&table.name, plan, key, stream) } else { stream };
        let sink = connector.sink(&descriptor)?;
        // Changes of one key must reach the sink in order.
        let distribution = if by_key && !materializes { Distribution::Hash(key.clone()) } else { Distribution::Forward };
        self.add_sink(&table.name, sink, stream.node, stream.schema, stream.mode, distribution, None);
        Ok(())
    }

    /// Whether the sink, which knows rows by `key`, would be left with rows that it is not told to delete.
    fn materializes(&self, plan: &Plan, key: &[usize]) -> bool {
        let set = |columns: &[usize]| columns.iter().copied().collect::<HashSet<_>>();
        match self.settings().upsert_materialize {
            UpsertMaterialize::None => false,
            UpsertMaterialize::Force => true,
            UpsertMaterialize::Auto => upsert_key(plan).is_none_or(|own| set(&own) != set(key)),
        }
    }

    fn upsert_materializer(&mut self, table: &str, plan: &Plan, key: &[usize], stream: Stream) -> Stream {
        let schema = stream.schema.clone();
        let own = upsert_key(plan);
        let claimant = own.as_ref().map_or_else(|| "row".to_string(), |own| format!("[{}]", names(&schema, own)));
        let spec = SinkUpsertMaterializerSpec { input: schema.clone(), key: key.to_vec(), input_upsert_key: own, ttl_ms: self.settings().state_ttl_ms };
        let (distribution, parallelism) = self.by_key(key);
        let stream = self.operator(NewOperator {
            name: "SinkUpsertMaterializer",
            description: format!("table={table}, key=[{}], last {claimant} of every key", names(&schema, key)),
            factory: Arc::new(spec),
            mode: ChangelogMode::Upsert,
            inputs: vec![(stream, distribution)],
            schema,
            state: Some(format!("the rows that claim every key of the sink, {}", self.ttl_text())),
            parallelism,
        });
        self.partitioned(stream, [key.to_vec()])
    }

    /// What the table declares NOT NULL and the query may give as NULL is looked at before it is written.
    fn not_null(&mut self, insert: &Insert, stream: Stream) -> Stream {
        if insert.not_null.is_empty() {
            return stream;
        }
        let enforcer = self.settings().not_null_enforcer;
        let mut schema = stream.schema.clone();
        for &column in &insert.not_null {
            schema.columns[column].sql_type.nullable = false;
        }
        let columns = names(&schema, &insert.not_null);
        let spec = NotNullSpec { table: insert.table.name.clone(), columns: insert.not_null.clone(), enforcer, output: schema.clone() };
        let (from, parallelism) = (stream.node, self.graph.nodes[stream.node].parallelism);
        let stream = self.operator(NewOperator {
            name: "NotNullEnforcer",
            description: format!("[{columns}] of {}, {enforcer:?}", insert.table.name),
            factory: Arc::new(spec),
            mode: stream.mode,
            inputs: vec![(stream, Distribution::Forward)],
            schema,
            state: None,
            parallelism,
        });
        self.stays_partitioned(from, stream, Some)
    }

    pub(super) fn query(&mut self, plan: &Plan, sink: Arc<dyn Sink>, name: &str) -> Result<()> {
        let stream = self.build(plan, true)?;
        self.add_sink(name, sink, stream.node, stream.schema, stream.mode, Distribution::Single, Some(1));
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn add_sink(
        &mut self,
        name: &str,
        sink: Arc<dyn Sink>,
        from: usize,
        schema: Schema,
        mode: ChangelogMode,
        distribution: Distribution,
        parallelism: Option<usize>,
    ) {
        let guarantee = match sink.guarantee() {
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::IdempotentByKey => "exactly once by key",
            Guarantee::ExactlyOnce => "exactly once",
        };
        let description = format!("table={name}, {}, {guarantee}", sink.describe());
        let distribution = self.unless_there(from, distribution);
        let edge = NewEdge { from, port: Port::Main, distribution };
        self.add("Sink", description, NodeKind::Sink(SinkNode { sink }), vec![edge], schema, mode, None, parallelism);
    }
}
