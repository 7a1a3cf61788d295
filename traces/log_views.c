#include "log_views.h"

/* clang-format off */

/* Nanoseconds since 1970 as text, cut to ms. SQL divides toward zero; before 1970 needs floor. */
#define TIMESTAMP(ns)                                                                              \
    "strftime('%Y-%m-%d %H:%M:%S', (" ns ") / 1000000000 - ((" ns ") % 1000000000 < 0),"           \
    " 'unixepoch')"                                                                                \
    " || printf('.%03d', ((" ns ") % 1000000000 + 1000000000) % 1000000000 / 1000000)"

#define EPOCH "(SELECT CAST(value AS INTEGER) FROM run WHERE key = 'epoch_ns')"

const char sgl_log_recorder_sql[] =
"CREATE VIEW recorder AS\n"
"SELECT timestamp, worker_url, request_id, throughput_gradient, latency_gradient, score,\n"
"  outstanding_requests, avg_throughput, avg_latency, window_size, selection_reason,\n"
"  actual_output_tokens, server_latency, queue_time, ttft, decision_time_ms\n"
"FROM (SELECT d.sequence, " TIMESTAMP(EPOCH " + i.time_ns") " AS timestamp,\n"
"  w.url AS worker_url, coalesce(r.request_id, CAST(d.request AS TEXT)) AS request_id,\n"
"  c.throughput_gradient, c.latency_gradient, c.score, c.outstanding AS outstanding_requests,\n"
"  c.avg_throughput_tps AS avg_throughput, c.avg_latency_s AS avg_latency, c.window_size,\n"
"  CASE d.reason WHEN 'gradient' THEN 'gradient_based' WHEN 'load_fallback' THEN 'load_based'\n"
"    ELSE d.reason END AS selection_reason,\n"
"  NULL AS actual_output_tokens, NULL AS server_latency, NULL AS queue_time, NULL AS ttft,\n"
"  d.decision_ns / 1e6 AS decision_time_ms\n"
"FROM decision d JOIN input i ON i.sequence = d.sequence\n"
"  LEFT JOIN candidate c ON c.sequence = d.sequence AND c.worker = d.worker\n"
"  LEFT JOIN worker w ON w.worker = d.worker\n"
"  LEFT JOIN request r ON r.request = d.request\n"
"UNION ALL\n"
"SELECT o.sequence, " TIMESTAMP(EPOCH " + i.time_ns") ",\n"
"  w.url, coalesce(r.request_id, CAST(o.request AS TEXT)),\n"
"  o.throughput_gradient, o.latency_gradient, o.score, o.outstanding,\n"
"  o.avg_throughput_tps, o.avg_latency_s, o.window_size, 'completion_record',\n"
"  o.output_tokens, (i.time_ns - s.time_ns) / 1e9, o.queue_time_ns / 1e9, o.ttft_ns / 1e9, NULL\n"
"FROM outcome o JOIN input i ON i.sequence = o.sequence AND i.kind = 'complete'\n"
"  LEFT JOIN input s ON s.sequence = o.decision_sequence\n"
"  LEFT JOIN worker w ON w.worker = o.worker\n"
"  LEFT JOIN request r ON r.request = o.request\n"
"ORDER BY 1)";

/* `ended` is one row per request; the sums of `ranked` run over successes in order of finish. */
const char sgl_log_client_sql[] =
"CREATE VIEW client AS\n"
"WITH ended AS (\n"
"  SELECT o.*, i.time_ns AS finish_ns, s.time_ns AS send_ns, w.url, r.request_id, r.max_tokens,\n"
"    coalesce(r.arrival_ns, i.time_ns) AS arrival_ns\n"
"  FROM (SELECT max(sequence) AS sequence\n"
"        FROM outcome WHERE pool <> 'prefill' GROUP BY request) l\n"
"    JOIN outcome o ON o.sequence = l.sequence JOIN input i ON i.sequence = o.sequence\n"
"    LEFT JOIN input s ON s.sequence = o.decision_sequence\n"
"    LEFT JOIN worker w ON w.worker = o.worker LEFT JOIN request r ON r.request = o.request),\n"
"ranked AS (\n"
"  SELECT *, finish_ns / 1e9 / count(*) OVER everyone AS average,\n"
"    sum(prompt_tokens) OVER everyone / (finish_ns / 1e9) AS prompt_rate,\n"
"    sum(output_tokens) OVER everyone / (finish_ns / 1e9) AS output_rate,\n"
"    sum(prompt_tokens) OVER host / (finish_ns / 1e9) AS host_prompt_rate,\n"
"    sum(output_tokens) OVER host / (finish_ns / 1e9) AS host_output_rate\n"
"  FROM ended WHERE success = 1\n"
"  WINDOW everyone AS (ORDER BY finish_ns, sequence ROWS UNBOUNDED PRECEDING),\n"
"    host AS (PARTITION BY worker ORDER BY finish_ns, sequence ROWS UNBOUNDED PRECEDING))\n"
"SELECT k.prompt_rate AS PREFILL_THROUGHPUT, k.output_rate AS DECODE_THROUGHPUT,\n"
"  k.average AS AVG_LATENCY, coalesce(e.request_id, CAST(e.request AS TEXT)) AS req_id,\n"
"  CASE e.success WHEN 1 THEN 'True' ELSE 'False' END AS success, e.error, e.url AS host,\n"
"  CASE WHEN e.output_tokens > 0 THEN 'True' WHEN e.output_tokens = 0 THEN 'False' END\n"
"    AS has_generated_text,\n"
"  NULL AS input_length, e.max_tokens AS expected_output_length,\n"
"  e.prompt_tokens AS actual_prompt_tokens, e.output_tokens AS actual_output_tokens,\n"
"  e.prompt_tokens + e.output_tokens AS actual_total_tokens, NULL AS output_tokens_from_trace,\n"
"  e.output_tokens AS decode_length, e.arrival_ns / 1e9 AS arrival_time,\n"
"  e.send_ns / 1e9 AS router_send_time, e.send_ns / 1e9 AS server_created_time,\n"
"  e.send_ns / 1e9 AS queue_time_start, (e.send_ns + e.queue_time_ns) / 1e9 AS queue_time_end,\n"
"  (e.arrival_ns + e.ttft_ns) / 1e9 AS server_first_token_time, e.finish_ns / 1e9 AS finish_time,\n"
"  (e.finish_ns - e.send_ns) / 1e9 AS server_latency,\n"
"  (e.finish_ns - e.arrival_ns) / 1e9 AS total_latency, e.ttft_ns / 1e9 AS ttft,\n"
"  k.host_prompt_rate AS prefill_token_throughput, k.host_output_rate AS decode_token_throughput,\n"
"  (e.send_ns - e.arrival_ns) / 1e9 AS queue_time_in_router,\n"
"  (e.arrival_ns + e.ttft_ns - e.send_ns) / 1e9 AS queue_time_in_server, NULL AS tokenize_time,\n"
"  e.queue_time_ns / 1e9 AS pure_queue_time\n"
"FROM ended e LEFT JOIN ranked k ON k.sequence = e.sequence ORDER BY e.arrival_ns, e.request";

/* clang-format on */
