//! ListSchedules and CountSchedules.

use perdure_engine::{Archetype, schedule::LIST_INFO};
use perdure_proto::api::{
    common::{Memo, SearchAttributes},
    schedule::{ScheduleListEntry, ScheduleListInfo},
    workflowservice::{
        CountSchedulesRequest, CountSchedulesResponse, ListSchedulesRequest, ListSchedulesResponse,
        count_schedules_response::AggregationGroup,
    },
};
use perdure_storage::{StoreError, VisibilityRow};
use prost::{DecodeError, Message};
use tonic::Status;

use crate::{Frontend, call::Call, error};

/// What the server says about a schedule is in the entry's info.
const PAUSED: &str = "TemporalSchedulePaused";

impl Frontend {
    pub(crate) async fn list_schedules(
        &self,
        _call: &Call,
        request: ListSchedulesRequest,
    ) -> Result<ListSchedulesResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let ListSchedulesRequest { maximum_page_size, next_page_token, query, .. } = request;
        let rows = self.lists.rows_of(&namespace, Archetype::Schedule, &query, maximum_page_size, &next_page_token);
        let (rows, next_page_token) = rows.await?;
        let schedules =
            rows.into_iter().map(entry).collect::<Result<_, _>>().map_err(|error| {
                error::of_store(StoreError::Corrupt(format!("visibility row of a schedule: {error}")))
            })?;
        Ok(ListSchedulesResponse { schedules, next_page_token })
    }

    pub(crate) async fn count_schedules(
        &self,
        _call: &Call,
        request: CountSchedulesRequest,
    ) -> Result<CountSchedulesResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let (count, groups) = self.lists.count_of(&namespace, Archetype::Schedule, &request.query).await?;
        let groups =
            groups.into_iter().map(|(value, count)| AggregationGroup { group_values: vec![value], count }).collect();
        Ok(CountSchedulesResponse { count, groups })
    }
}

fn entry(row: VisibilityRow) -> Result<ScheduleListEntry, DecodeError> {
    let mut memo = Memo::decode(row.memo)?;
    let mut search_attributes = SearchAttributes::decode(row.search_attributes)?;
    search_attributes.indexed_fields.remove(PAUSED);
    let info = memo.fields.remove(LIST_INFO).map(|info| ScheduleListInfo::decode(info.data)).transpose()?;
    Ok(ScheduleListEntry {
        schedule_id: row.workflow_id,
        memo: (!memo.fields.is_empty()).then_some(memo),
        search_attributes: (!search_attributes.indexed_fields.is_empty()).then_some(search_attributes),
        info,
    })
}
