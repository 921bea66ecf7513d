//! The promises of the repositories. An adapter fills [`Stores`] and runs every promise with
//! [`store_contract!`](crate::store_contract), each on an empty database of its own.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::access::AccessRepository;
use core_types::agents::AgentRepository;
use core_types::deliveries::DeliveryRepository;
use core_types::embeddings::VectorRepository;
use core_types::jobs::JobRepository;
use core_types::keys::KeyRepository;
use core_types::media::MediaRepository;
use core_types::memory::{MemoryRepository, ReflectionRepository};
use core_types::messaging::{ChannelRepository, MessageRepository, ServerRepository};
use core_types::moving::{ArrivalRepository, BelongingsRepository};
use core_types::repeats::RepeatRepository;
use core_types::rooms::RoomRepository;
use core_types::runs::RunRepository;
use core_types::secrets::SecretRepository;
use core_types::sessions::SessionRepository;
use core_types::worlds::WorldRepository;
use tokio::time::timeout;

pub mod access;
pub mod agents;
pub mod channels;
pub mod chosen;
pub mod claiming;
pub mod clocks;
pub mod edits;
pub mod events;
pub mod fairness;
pub mod finishing;
pub mod jobs;
pub mod large;
pub mod media;
pub mod memories;
pub mod moving;
pub mod posting;
pub mod recall;
pub mod reflecting;
pub mod repeating;
pub mod rooms;
pub mod runs;
mod scene;
pub mod servers;
pub mod sessions;
pub mod thinning;
pub mod together;
pub mod vectors;
pub mod waking;
pub mod worlds;

/// Longer than any promise takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The repositories over one empty database.
#[derive(Clone)]
pub struct Stores {
    /// Where it is known whose things are.
    pub access: Arc<dyn AccessRepository>,
    /// Where API keys are kept.
    pub keys: Arc<dyn KeyRepository>,
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// Where message servers are kept.
    pub servers: Arc<dyn ServerRepository>,
    /// Where channels are kept.
    pub channels: Arc<dyn ChannelRepository>,
    /// Where messages and channel events are kept.
    pub messages: Arc<dyn MessageRepository>,
    /// Where deliveries are kept.
    pub deliveries: Arc<dyn DeliveryRepository>,
    /// Where sessions are kept.
    pub sessions: Arc<dyn SessionRepository>,
    /// Where jobs are kept.
    pub jobs: Arc<dyn JobRepository>,
    /// Where worlds are kept.
    pub worlds: Arc<dyn WorldRepository>,
    /// Where rooms are kept.
    pub rooms: Arc<dyn RoomRepository>,
    /// Where the rest of the agent plane is kept.
    pub memories: Arc<dyn MemoryRepository>,
    /// How far agents have looked back at what they remember.
    pub reflections: Arc<dyn ReflectionRepository>,
    /// Where the vectors of memories are kept.
    pub vectors: Arc<dyn VectorRepository>,
    /// Where what is known of files is kept.
    pub media: Arc<dyn MediaRepository>,
    /// Where runs and logs are kept.
    pub runs: Arc<dyn RunRepository>,
    /// Where sealed secrets are kept.
    pub secrets: Arc<dyn SecretRepository>,
    /// Where what comes from elsewhere is stored.
    pub arrivals: Arc<dyn ArrivalRepository>,
    /// Where all that is an agent's own is read.
    pub belongings: Arc<dyn BelongingsRepository>,
    /// Where the answers of requests are kept that may be sent again.
    pub repeats: Arc<dyn RepeatRepository>,
}

/// A database that was made for one promise.
#[async_trait]
pub trait Opened: Send {
    /// Its repositories.
    fn stores(&self) -> Stores;

    /// Closes and deletes it.
    async fn end(self);
}

/// Holds one promise against one database and deletes the database, whatever comes of it. Without a database nothing is
/// held; whoever has none says so.
pub async fn hold<O, P, F>(opened: Option<O>, promise: P)
where
    O: Opened,
    P: FnOnce(Stores) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let Some(opened) = opened else { return };
    let held = tokio::spawn(timeout(PATIENCE, promise(opened.stores()))).await;
    opened.end().await;
    match held {
        Ok(in_time) => assert!(in_time.is_ok(), "the promise was not held in time"),
        Err(broken) => resume_unwind(broken.into_panic()),
    }
}

/// Makes one test of each promise. `$open` is an async function without arguments that opens an empty database:
/// `Option<impl Opened>`.
#[macro_export]
macro_rules! store_contract {
    ($open:ident) => {
        $crate::store_contract! { $open:
            access::a_tenant_reaches_its_own_and_nothing_else,
            access::lists_show_what_is_within_reach,
            access::a_shared_server_is_seen_as_a_whole,
            access::what_two_say_is_not_shared,
            access::what_was_made_on_a_shared_server_goes_with_the_share,
            access::one_person_sees_the_channels_it_takes_part_in,
            access::one_person_who_was_sent_away_does_not_come_back_by_itself,
            access::a_post_finds_only_channels_within_reach,
            access::agents_hear_no_channel_of_another_tenant,
            access::a_key_is_kept_until_it_is_revoked,
            access::a_key_needs_the_servers_that_it_shares,
            agents::an_agent_is_given_back_as_it_was_stored,
            agents::a_taken_agent_id_is_left_as_it_is,
            agents::the_list_shows_names_bios_and_who_runs,
            agents::all_agents_are_gone_through_in_portions,
            agents::a_replacement_needs_the_version_that_was_read,
            agents::secrets_change_together_with_their_agent,
            agents::starting_is_a_new_version_once,
            agents::stopping_tells_whether_the_agent_ran,
            agents::a_restart_is_a_new_version_each_time,
            agents::what_is_posted_while_an_agent_is_restarted_is_for_it_too,
            agents::starts_and_stops_at_once_all_find_the_agent,
            agents::removing_an_agent_removes_all_that_is_its_own,
            agents::removing_an_agent_cancels_its_open_deliveries,
            agents::removing_an_agent_tells_the_readers_of_its_channels,
            agents::removals_and_posts_at_once_leave_no_open_delivery,
            servers::the_default_server_is_there_from_the_start,
            servers::a_taken_server_id_is_left_as_it_is,
            servers::servers_are_listed_oldest_first,
            servers::a_change_of_a_server_replaces_what_it_names,
            servers::removing_a_server_removes_its_channels,
            servers::agents_and_servers_are_tied_and_untied,
            servers::an_agent_hears_only_servers_that_it_is_tied_to,
            channels::channels_are_listed_oldest_first,
            channels::a_page_of_channels_knows_the_length_of_the_list,
            channels::a_channel_is_found_by_its_name,
            channels::a_change_of_a_channel_replaces_what_it_names,
            channels::whoever_joins_takes_part_until_leaving,
            channels::a_channel_has_room_for_so_many,
            channels::an_agent_that_takes_part_no_more_answers_no_more,
            channels::a_channel_is_given_back_exactly,
            channels::participants_keep_their_order_and_collapse,
            channels::a_channel_needs_its_server,
            channels::the_id_of_a_channel_that_is_gone_is_nobody_elses_for_a_day,
            channels::synchronised_channels_are_those_of_their_platform,
            channels::channels_of_no_server_are_not_synchronised,
            channels::a_taken_channel_id_is_left_as_it_is,
            channels::removing_a_channel_forgets_what_was_said_there,
            channels::removing_a_channel_cancels_its_open_deliveries,
            posting::a_message_is_given_back_as_it_was_posted,
            posting::each_post_takes_the_next_place_and_a_later_time,
            posting::concurrent_posts_to_one_channel_leave_no_gap,
            posting::concurrent_posts_to_many_channels_all_arrive,
            posting::a_missing_channel_is_created_with_the_message,
            posting::without_channel_or_server_nothing_is_stored,
            posting::an_unknown_answered_message_is_kept_as_metadata,
            posting::messages_are_listed_newest_first_and_page_without_overlap,
            posting::a_page_of_large_messages_is_shorter_and_whoever_goes_on_gets_all,
            posting::a_page_is_known_until_its_channel_changes,
            repeating::the_same_key_and_body_gets_the_first_answer,
            repeating::the_same_key_with_another_body_is_a_conflict,
            repeating::each_of_several_keys_names_the_first_post,
            repeating::keys_of_other_callers_and_routes_are_apart,
            repeating::a_taken_message_id_is_a_conflict,
            repeating::concurrent_posts_with_one_key_store_one_message,
            repeating::a_source_names_a_message_once_per_channel,
            repeating::forgotten_keys_are_free_again,
            repeating::a_key_stands_for_one_id_until_it_is_answered,
            repeating::a_key_is_released_until_it_is_answered,
            repeating::of_claims_at_once_one_names_the_id,
            waking::every_running_agent_in_the_channel_hears_a_message,
            waking::the_named_agent_must_answer_and_comes_first,
            waking::without_a_name_the_first_to_join_must_answer,
            waking::a_required_answer_without_a_listener_stores_nothing,
            waking::an_agent_is_no_author_unless_it_may_be,
            waking::an_agents_message_wakes_nobody_unless_the_channel_allows_it,
            waking::talk_among_agents_stops_after_eight_turns,
            waking::a_removal_during_a_post_leaves_no_open_delivery,
            waking::a_message_to_a_full_agent_is_not_written,
            edits::a_change_of_a_message_replaces_what_it_names,
            edits::agents_remember_a_changed_message_as_it_is_now,
            edits::a_message_that_is_changed_while_it_is_answered_is_remembered_as_it_is_now,
            edits::removing_a_message_forgets_it,
            edits::what_was_read_is_what_is_changed,
            edits::a_message_is_removed_from_its_own_channel_only,
            edits::removing_a_message_cancels_its_open_deliveries,
            edits::clearing_a_channel_forgets_the_conversation,
            edits::messages_are_found_by_their_words,
            thinning::a_long_conversation_is_cleared_as_a_short_one,
            thinning::clearing_that_is_cut_short_tells_why_replies_are_gone,
            thinning::a_long_channel_goes_with_all_that_was_said_there,
            thinning::removing_a_channel_that_is_cut_short_leaves_no_reply_missed,
            thinning::a_message_server_goes_with_its_long_channels,
            thinning::the_channels_of_a_message_server_go_a_few_at_a_time,
            thinning::two_removals_of_a_message_server_tell_of_each_channel_once,
            thinning::an_agent_goes_with_much_that_it_remembers,
            chosen::a_message_with_the_id_of_a_memory_changes_and_removes_none,
            chosen::a_channel_that_another_tenant_makes_is_not_the_one_that_is_remembered,
            chosen::a_channel_is_forgotten_by_an_agent_that_has_left_its_server,
            chosen::a_message_with_the_id_of_one_that_is_gone_is_not_told_in_its_place,
            chosen::a_repeat_is_not_answered_with_a_message_of_another_channel,
            chosen::a_repeat_is_answered_within_reach_only,
            chosen::a_job_whose_message_is_gone_tells_nothing_of_another_with_its_id,
            chosen::nobody_takes_the_id_of_a_reply,
            events::events_are_read_in_order_after_a_sequence_number,
            events::an_announcement_takes_its_place_among_the_messages,
            events::pruned_events_leave_messages_and_no_gap,
            claiming::a_claim_brings_all_that_a_worker_needs,
            claiming::what_falls_due_is_handed_over_before_anybody_is_told_of_it,
            claiming::what_a_reply_wakes_is_handed_over_too,
            claiming::one_agent_in_one_channel_gets_one_delivery_at_a_time_in_order,
            claiming::other_agents_and_channels_are_claimed_together,
            claiming::concurrent_claims_share_without_doubles,
            claiming::stopped_and_full_agents_are_passed_over,
            claiming::what_waits_for_a_stopped_agent_is_as_it_was_when_it_starts,
            claiming::what_waits_for_an_agent_is_as_it_was_when_it_is_restarted,
            claiming::what_is_held_is_not_claimed_again,
            claiming::a_claim_takes_the_oldest_up_to_its_limit,
            claiming::an_expired_claim_is_claimed_again_as_the_next_attempt,
            claiming::a_renewed_claim_holds_and_a_lost_one_is_not_renewed,
            claiming::recovery_makes_claimed_deliveries_pending,
            claiming::what_came_to_no_end_twice_waits_after_each_start,
            claiming::a_requeued_delivery_waits_and_may_not_count,
            claiming::a_delivery_given_back_is_not_its_former_holders,
            claiming::only_the_holder_can_requeue,
            claiming::a_newer_message_of_the_same_author_is_told,
            claiming::only_an_untried_message_that_asks_as_much_is_newer,
            claiming::the_next_due_moment_is_that_of_a_running_agents_delivery,
            clocks::what_was_said_while_a_clock_was_ahead_is_due_in_its_turn,
            clocks::what_a_clock_put_off_is_due_after_the_next_start,
            clocks::what_a_clock_put_off_is_due_when_it_is_hastened,
            clocks::a_claim_that_a_clock_prolonged_ends_a_lease_after_it_is_hastened,
            clocks::neither_pauses_nor_what_is_put_away_are_hastened,
            fairness::a_claim_brings_no_more_of_one_agent_than_its_share,
            fairness::a_claim_brings_no_more_of_one_tenant_than_its_share,
            fairness::whoever_floods_an_agent_is_not_before_everybody_else,
            fairness::whoever_is_due_is_found_among_many_who_are_not,
            fairness::of_many_tenants_each_has_its_turn_within_a_few_claims,
            fairness::a_claim_brings_no_more_of_an_agent_for_one_tenant_than_its_share,
            fairness::what_an_agent_says_is_heard_for_the_tenant_that_it_answers,
            fairness::the_next_due_moment_leaves_busy_agents_out,
            fairness::the_next_due_moment_leaves_busy_tenants_out,
            finishing::a_finish_writes_everything_at_once,
            finishing::a_finish_without_reply_tells_readers_and_frees_the_next,
            finishing::without_a_plane_a_finish_leaves_the_agents_memory_alone,
            finishing::a_late_finish_writes_nothing,
            finishing::a_finish_happens_once,
            finishing::after_its_channel_or_agent_is_gone_a_finish_writes_nothing,
            finishing::a_taken_reply_id_undoes_the_whole_finish,
            finishing::a_reply_wakes_other_agents_where_the_channel_allows_it,
            media::a_file_is_known_as_it_was_stored_until_it_is_removed,
            media::a_taken_file_id_is_refused,
            media::a_file_is_kept_once_under_its_key,
            media::files_without_their_agent_or_channel_are_orphans,
            memories::a_memory_whose_id_is_taken_is_left_as_it_is,
            memories::memories_are_listed_newest_first_by_table_and_room,
            memories::a_room_context_shows_conversation_facts_and_people,
            memories::nothing_is_known_of_an_unknown_room,
            memories::an_agent_sees_only_its_own,
            memories::a_page_of_memories_knows_the_length_of_the_list,
            memories::a_long_list_of_memories_is_not_counted_but_at_its_end,
            memories::memories_are_filtered_by_what_they_are_and_where_they_come_from,
            memories::a_change_of_a_memory_replaces_what_it_names,
            memories::all_that_a_filter_means_is_deleted_and_nothing_else,
            memories::fragments_go_with_their_document,
            reflecting::what_was_said_is_looked_back_at_until_it_was,
            reflecting::what_was_concluded_from_what_is_gone_is_not_kept,
            reflecting::nothing_is_kept_for_nobody,
            reflecting::rooms_with_enough_to_look_back_at_are_known,
            reflecting::facts_from_elsewhere_are_those_of_one_person,
            reflecting::facts_from_elsewhere_are_those_of_one_owner,
            recall::words_are_found_whatever_their_case_accents_and_plural,
            recall::any_text_may_be_asked_for,
            recall::text_without_spaces_is_found_by_its_parts,
            recall::rare_and_repeated_words_come_first,
            recall::of_too_many_hits_the_newest_are_ranked,
            recall::words_that_too_many_memories_have_count_only_alone,
            recall::filters_count_before_the_ranking,
            recall::only_what_is_remembered_now_is_found,
            recall::a_room_context_brings_knowledge_that_bears_on_the_message,
            recall::what_was_kept_before_can_be_made_findable,
            recall::a_change_of_metadata_alone_leaves_it_to_be_made_findable,
            rooms::a_room_comes_with_its_world_and_its_agent,
            rooms::an_agent_has_only_its_own_rooms,
            rooms::rooms_are_listed_oldest_first,
            rooms::the_rooms_of_a_group_are_found_together,
            moving::what_is_brought_is_read_back_as_it_was,
            moving::what_is_taken_or_homeless_is_left_out,
            moving::a_fragment_comes_without_its_document,
            moving::memories_that_came_are_found,
            moving::past_messages_keep_their_order,
            moving::past_messages_are_answered_by_nobody,
            moving::what_came_counts_as_looked_back_at,
            worlds::a_world_is_given_back_as_it_was_stored,
            worlds::an_agent_has_only_its_own_worlds,
            worlds::worlds_are_listed_oldest_first,
            worlds::a_change_of_a_world_adds_to_its_metadata,
            runs::runs_are_listed_newest_first,
            runs::runs_are_filtered_and_found,
            runs::log_lines_are_added_and_removed_one_by_one,
            runs::logs_are_filtered_and_paged,
            runs::logs_of_all_agents_are_read_together,
            runs::pruning_runs_and_logs_is_bounded,
            runs::pruning_forgets_deliveries_by_their_end,
            vectors::a_space_keeps_its_number,
            vectors::what_is_remembered_wants_a_vector_until_it_has_one,
            vectors::a_vector_goes_with_its_memory,
            vectors::a_memory_of_another_content_wants_another_vector,
            vectors::vectors_move_from_one_space_to_another,
            vectors::the_store_says_which_vectors_pass_a_filter,
            vectors::notes_of_goings_are_forgotten_when_told,
            sessions::a_session_is_stored_with_its_channel,
            sessions::a_session_needs_its_agent_and_a_server,
            sessions::sessions_that_go_on_are_listed_and_counted,
            sessions::sessions_within_reach_are_listed_and_counted,
            sessions::what_went_with_a_share_is_not_answered_again,
            sessions::a_session_is_changed_until_it_is_over,
            sessions::a_message_renews_its_session_or_is_not_stored,
            sessions::a_repeated_message_leaves_its_session_alone,
            sessions::a_session_goes_with_its_agent_and_its_channel,
            sessions::sessions_that_are_over_make_room,
            sessions::a_tenants_sessions_make_room_for_its_own,
            sessions::sessions_that_are_over_are_forgotten_in_portions,
            sessions::parallel_messages_renew_a_session_one_after_the_other,
            jobs::a_job_is_completed_by_the_reply,
            jobs::a_job_without_an_answer_says_why,
            jobs::an_answer_that_is_late_is_a_timeout_for_ever,
            jobs::a_job_goes_with_its_message,
            jobs::jobs_are_listed_newest_first_and_counted,
            jobs::jobs_within_reach_are_listed_and_counted,
            jobs::a_job_is_written_with_its_message_or_not_at_all,
            jobs::jobs_that_are_over_make_room,
            jobs::a_tenants_jobs_make_room_for_its_own,
            jobs::a_delivery_stays_as_long_as_its_job,
            posting::a_window_of_messages_is_bounded_on_both_sides,
            agents::the_first_of_those_that_run_is_the_oldest,
            large::a_list_of_large_channels_is_shorter_and_whoever_goes_on_gets_all,
            large::a_list_of_large_servers_is_shorter_and_whoever_goes_on_gets_all,
            large::a_list_of_large_worlds_is_shorter_and_whoever_goes_on_gets_all,
            large::a_list_of_rooms_of_a_large_world_is_shorter_and_whoever_goes_on_gets_all,
            large::a_list_of_agents_shows_the_beginning_of_a_long_bio,
            large::own_agents_are_listed_before_others,
            large::a_search_of_long_messages_says_how_far_it_is,
            together::under_load_each_delivery_is_answered_once_and_in_order,
        }
    };
    ($open:ident: $($area:ident::$promise:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::stores::hold($open().await, $crate::stores::$area::$promise).await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// A promise that is written and not listed would never be held.
    #[test]
    fn every_promise_is_listed() {
        let listed = include_str!("stores.rs");
        for (area, source) in [
            ("access", include_str!("stores/access.rs")),
            ("agents", include_str!("stores/agents.rs")),
            ("channels", include_str!("stores/channels.rs")),
            ("chosen", include_str!("stores/chosen.rs")),
            ("claiming", include_str!("stores/claiming.rs")),
            ("clocks", include_str!("stores/clocks.rs")),
            ("edits", include_str!("stores/edits.rs")),
            ("events", include_str!("stores/events.rs")),
            ("fairness", include_str!("stores/fairness.rs")),
            ("finishing", include_str!("stores/finishing.rs")),
            ("jobs", include_str!("stores/jobs.rs")),
            ("large", include_str!("stores/large.rs")),
            ("media", include_str!("stores/media.rs")),
            ("memories", include_str!("stores/memories.rs")),
            ("moving", include_str!("stores/moving.rs")),
            ("posting", include_str!("stores/posting.rs")),
            ("recall", include_str!("stores/recall.rs")),
            ("reflecting", include_str!("stores/reflecting.rs")),
            ("repeating", include_str!("stores/repeating.rs")),
            ("rooms", include_str!("stores/rooms.rs")),
            ("runs", include_str!("stores/runs.rs")),
            ("servers", include_str!("stores/servers.rs")),
            ("sessions", include_str!("stores/sessions.rs")),
            ("thinning", include_str!("stores/thinning.rs")),
            ("together", include_str!("stores/together.rs")),
            ("vectors", include_str!("stores/vectors.rs")),
            ("waking", include_str!("stores/waking.rs")),
            ("worlds", include_str!("stores/worlds.rs")),
        ] {
            for line in source.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let promise = line.split('(').next().unwrap();
                assert!(listed.contains(&format!("{area}::{promise},")), "{area}::{promise} is not listed");
            }
        }
    }
}
