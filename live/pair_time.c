/* Which leg of a pair is late: the rule is in pairs.h. */
#include "pairs.h"

/* When this leg has said nothing since `since_ns`: what it is late with; NULL: it is not. */
static const char *late(const struct sgl_proxy_options *options, const struct sgl_call *call,
                        uint64_t since_ns, uint64_t now_ns)
{
    const uint64_t first_ns = (uint64_t)options->first_byte_timeout_ns;

    if (call->has_head)
        return now_ns > since_ns + (uint64_t)options->idle_timeout_ns ? "idle_timeout" : NULL;
    return first_ns > 0 && now_ns > since_ns + first_ns ? "first_byte_timeout" : NULL;
}

/* Its worker has answered others since the pair was sent, and the decode worker nobody: it may wait
 * for the decode leg, which has not come for the memory. */
static bool is_excused(const struct sgl_relay *relay)
{
    const struct sgl_pair *pair = relay->pair;
    const uint64_t *heard_ns = relay->thread->pair_heard_ns;

    return heard_ns[pair->decision.worker] > pair->sent_ns &&
           heard_ns[relay->decision.worker] <= pair->sent_ns;
}

void sgl_pair_sweep(struct sgl_relay *relay, uint64_t now_ns)
{
    const struct sgl_proxy_options *options = relay->thread->options;
    const struct sgl_pair *pair = relay->pair;
    const char *word = NULL;

    if (pair->is_prefill_out) {
        word = late(options, &pair->call, pair->prefill_ns, now_ns);
        if (word != NULL)
            sgl_pair_end_leg(relay, !pair->is_decode_out || !is_excused(relay), word);
    } else if (pair->is_decode_out && !relay->call.is_paused) {
        const uint64_t since_ns =
            relay->last_ns > pair->prefill_ns ? relay->last_ns : pair->prefill_ns;
        word = late(options, &relay->call, since_ns, now_ns);
        if (word != NULL)
            sgl_pair_end_leg(relay, false, word);
    }
}
