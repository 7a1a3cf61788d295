/*
 * load_file.h - what became of requests, as a file that can be replayed.
 *
 *     x.csv                       the 31 columns of the sglang-client files (traces/log_views.h
 *                                 says what each means)
 *     x.db .sqlite .sqlite3       table `requests` with the columns of a trace (trace_writer.h),
 *                                 prefix ids and cached tokens among them
 *
 * One row per request sent, in the order of the trace; times count from the start of the run. A
 * client knows less than a router's log and more:
 *
 *     arrival_time          when it was to be sent     router_send_time      when it was sent
 *     input_length          characters of the prompt   output_tokens_from_trace  as asked for
 *     ttft, total_latency   from arrival_time          server_latency        from router_send_time
 *     server_created_time, queue_time_start, queue_time_end: the server's stamps (load.h), else
 *     empty; so what is computed from them
 *     host                  who served: x-sglsim-worker, else the url
 *
 * A request that failed has its error's kind, the tokens that came before, and no rates. The file
 * appears whole or not at all; what stands there is replaced only when it is empty or of the same
 * kind. Failures begin with the path.
 */
#ifndef SGL_LIVE_LOAD_FILE_H
#define SGL_LIVE_LOAD_FILE_H

#include "live/load.h"

/* Can a file of this name be written? SGL_EINVAL says what suffix is expected, or what is in the
 * way: to be asked before a run of hours. */
int sgl_load_file_check(const char *path, struct sgl_failure *failure);

int sgl_load_file_write(const char *path, const struct sgl_load_result *result, const char *url,
                        struct sgl_failure *failure);

#endif
