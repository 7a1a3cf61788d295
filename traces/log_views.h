/*
 * log_views.h - the two files that SGLang users know, as views of a decision log.
 *
 * recorder: the 16 columns of the recorder that came with the marginal utility router. One row per
 * decision (the chosen worker's candidate row, and NULL where there was no worker) and one per
 * complete input, successful or not, in order of sequence; cancels and rejects are in `outcome`.
 *
 *     timestamp           UTC, run.epoch_ns + time, cut to ms. A trace whose times count from its
 *                         own start has no date: its run starts at 1970-01-01 (run.times says so)
 *     request_id          the client's id, on both rows; a request without one: its number
 *     *_gradient, score   whenever the policy had them, whatever the reason
 *     selection_reason    gradient -> gradient_based, load_fallback -> load_based, other reasons
 *                         as they are; completion_record on completions
 *     server_latency      s, time of the complete input - time of its route input
 *     queue_time, ttft    s; ttft counts from arrival at the router (the recorder's own files count
 *                         from arrival at the worker)
 *     decision_time_ms    NULL in virtual time, and on completions, where nothing was decided
 *
 * client: the 31 columns of the client files, one row per request that ended, by its last outcome
 * (retries and the prefill leg of a pair do not count), in order of arrival. Times are seconds from
 * the run's start. What each column means was inferred from the 12 published client files (5,400
 * requests) in sglang_custom, where these identities hold to the last bits of a double:
 *
 *     total_latency           = finish_time - arrival_time
 *     server_latency          = finish_time - router_send_time
 *     ttft                    = server_first_token_time - arrival_time
 *     queue_time_in_router    = router_send_time - arrival_time
 *     queue_time_in_server    = server_first_token_time - server_created_time  (prefill included)
 *     tokenize_time           = queue_time_start - server_created_time
 *     pure_queue_time         = queue_time_end - queue_time_start
 *     decode_length           = actual_output_tokens
 *   with k the rank of the request by finish_time:
 *     AVG_LATENCY             = finish_time / k
 *     PREFILL_THROUGHPUT      = prompt tokens of the first k / finish_time
 *     DECODE_THROUGHPUT       = output tokens of the first k / finish_time
 *     prefill_token_throughput, decode_token_throughput: the same over the k that the host served
 *
 * Only successful requests have ranks here; those files hold no others. The log has no stamp of the
 * arrival at the worker: server_created_time and queue_time_start are the dispatch, exact in a
 * simulated run and early by the network in a live one. NULL because no log knows them:
 * input_length (characters), tokenize_time, output_tokens_from_trace. actual_total_tokens is empty
 * in all published files; here it is prompt + output tokens. expected_output_length is max_tokens.
 */
#ifndef SGL_TRACES_LOG_VIEWS_H
#define SGL_TRACES_LOG_VIEWS_H

extern const char sgl_log_recorder_sql[];
extern const char sgl_log_client_sql[];

#endif
