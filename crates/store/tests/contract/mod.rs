//! What every driver must do, as generic functions over an open [`store::Store`].

pub(crate) mod alert;
pub(crate) mod delivery;
pub(crate) mod dispersion;
pub(crate) mod fleet;
pub(crate) mod freeze;
pub(crate) mod id;
pub(crate) mod incident;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod outbox;
pub(crate) mod rollout;
pub(crate) mod set_aside;
pub(crate) mod surroundings;
pub(crate) mod token;
pub(crate) mod transaction;

use model::Timestamp;

/// Instantiates the suite for one driver; `$open` returns a guard and an empty store, or nothing where
/// the driver's database is not installed.
macro_rules! suite {
    ($open:ident) => {
        $crate::contract::suite!(@each $open:
            transaction::a_failed_write_leaves_nothing,
            transaction::a_panic_undoes_only_its_own_write,
            transaction::a_failed_statement_ends_its_write_and_no_other,
            transaction::writers_that_come_together_all_commit,
            transaction::a_counter_never_gives_a_number_twice,
            journal::entries_are_sealed_in_the_order_of_their_commits,
            journal::a_long_tail_is_sealed_in_parts,
            journal::an_unsealed_tail_is_counted,
            journal::numbers_of_any_length_keep_their_hash,
            id::the_greatest_id_is_found_whatever_it_names,
            lease::only_one_owner_at_a_time,
            lease::a_lapsed_lease_gets_a_greater_fence,
            lease::a_stale_fence_is_refused,
            lease::a_server_frees_the_leases_of_its_dead_processes_alone,
            outbox::a_claimed_row_comes_back_when_its_lease_ends,
            outbox::a_row_ends_once,
            outbox::messages_that_ended_long_ago_are_forgotten,
            outbox::the_urgent_is_claimed_first_and_then_what_waits_longest,
            outbox::no_receiver_gets_more_than_its_share,
            outbox::what_a_dead_server_was_sending_is_due_at_once,
            outbox::messages_are_found_by_what_they_are_about,
            alert::one_alert_of_a_key_is_open_at_a_time,
            alert::news_is_looked_at_once,
            alert::those_that_ran_out_are_found,
            alert::a_list_is_narrowed_and_paged,
            incident::one_incident_of_a_kind_is_open_at_a_time,
            incident::what_is_due_is_found,
            rollout::a_decision_on_stale_state_is_refused,
            rollout::two_rollouts_never_own_one_service,
            rollout::a_rollout_that_waits_owns_nothing,
            rollout::tests_of_changes_that_are_over_are_forgotten,
            rollout::a_watched_rollout_is_looked_after_and_in_nobodys_way,
            rollout::an_action_is_taken_once,
            rollout::a_verdict_is_handled_once,
            set_aside::what_was_set_aside_is_in_no_list_and_counted_once,
            fleet::a_generation_counts_up_per_host_and_service,
            fleet::an_order_is_counted_on_from_what_the_host_has_seen,
            fleet::what_a_host_keeps_is_known_and_not_asked_until_it_is_asked_anew,
            fleet::signs_that_a_host_is_ahead_are_kept_and_replaced,
            fleet::the_epoch_is_lifted_and_never_falls,
            fleet::a_host_name_is_taken_once,
            fleet::the_name_of_a_retired_host_is_free_and_both_are_kept,
            fleet::a_host_is_found_by_the_machine_it_is_now,
            fleet::hosts_are_paged_by_name_and_a_retired_one_is_in_no_page,
            fleet::what_the_hosts_of_a_page_run_is_read_for_them_alone,
            fleet::repeated_events_are_stored_once,
            fleet::old_events_are_forgotten_but_not_where_a_boot_stands,
            dispersion::quarters_are_kept_once_and_found_in_order,
            fleet::what_an_agent_is_to_become_is_kept_and_raises_the_hosts_revision,
            freeze::a_freeze_is_kept_by_its_name_and_found_by_what_it_applies_to,
            surroundings::a_schema_is_kept_for_a_service_in_an_environment,
            surroundings::what_runs_is_what_hosts_are_asked_for_and_what_they_proved,
            surroundings::a_service_nobody_says_anything_of_is_compared_with_nothing,
            token::a_token_is_found_by_its_hash_and_revoked_once,
            token::a_join_token_is_used_once_unless_it_is_revoked,
            token::a_host_with_no_token_left_is_locked_out,
            token::a_join_token_keeps_whom_it_was_made_for,
            token::the_tokens_of_one_host_are_revoked_together,
            token::a_version_is_not_used_twice,
            delivery::a_delivery_is_found_by_its_key_while_it_is_remembered,
            delivery::a_key_is_taken_once_until_it_is_forgotten,
            delivery::old_deliveries_are_forgotten_a_few_at_a_time,
        );
    };
    (@each $open:ident: $($module:ident::$test:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let Some((_guard, store)) = $open() else {
                return;
            };
            $crate::contract::$module::$test(store).await;
        }
    )*};
}
pub(crate) use suite;

/// Returns the n-th second of the suite's time.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1_000)
}
