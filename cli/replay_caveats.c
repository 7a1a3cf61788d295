/* What must be read beside the figures of a replay. */
#include "replay.h"

#include "cli.h"
#include "core/text.h"

#include <stdio.h>

/* Each writes its line; false: there is nothing to say. */

static bool say_cut_trace(const struct sgl_replay *replay, char *out, size_t size)
{
    if (sgl_trace_facts(replay->trace)->cut == NULL)
        return false;
    snprintf(out, size, "%s", sgl_trace_facts(replay->trace)->cut);
    return true;
}

static bool say_no_max_tokens(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->without_max_tokens == 0)
        return false;
    snprintf(out, size, "%llu request%s no max_tokens: %llu was taken (--max-new-tokens)",
             (unsigned long long)totals->without_max_tokens,
             totals->without_max_tokens == 1 ? " states" : "s state",
             (unsigned long long)replay->options.simulation.max_new_tokens);
    return true;
}

static bool say_max_tokens_cuts(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->cut_to_max_tokens == 0)
        return false;
    snprintf(out, size, "longer than max_tokens, and cut there: %llu recorded output%s",
             (unsigned long long)totals->cut_to_max_tokens, sgl_plural(totals->cut_to_max_tokens));
    return true;
}

static bool say_memory_cuts(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->cut_to_memory == 0)
        return false;
    snprintf(out, size,
             "%llu answers are cut to what their worker has KV memory for (--over-capacity "
             "cut)",
             (unsigned long long)totals->cut_to_memory);
    return true;
}

static bool say_warm_up(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (replay->options.warm_up == NULL)
        return false;
    snprintf(out, size,
             "warm-up: of %llu request%s the first %llu %s left out of the figures (--warm-up %s); "
             "they are in the log",
             (unsigned long long)totals->arrived, sgl_plural(totals->arrived),
             (unsigned long long)replay->warm_up, replay->warm_up == 1 ? "is" : "are",
             replay->options.warm_up);
    return true;
}

static bool say_sessions(const struct sgl_replay *replay, char *out, size_t size)
{
    if (!replay->options.sessions)
        return false;
    snprintf(out, size,
             "sessions (--sessions): %llu turn%s came after the answer before them and a think "
             "time: the trace's gap less the measured answer for %llu, the whole gap for the "
             "rest",
             (unsigned long long)replay->later_turns, sgl_plural(replay->later_turns),
             (unsigned long long)replay->measured_turns);
    return true;
}

static bool say_warm_cache(const struct sgl_replay *replay, char *out, size_t size)
{
    if (!replay->options.warm_cache)
        return false;
    snprintf(out, size,
             "warm caches (--warm-cache): every request (%llu) was sent once before, which is left "
             "out of the figures; other counts here are of both passes; every prompt has been "
             "seen%s",
             (unsigned long long)replay->warm_up,
             sgl_population_facts(replay->population)->prefix_ids > 0
                 ? ", so cache hits are the most there can be"
                 : ", but the trace names no prefixes: no cache knows it again");
    return true;
}

static bool say_closed_loop(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_flags *flags = &replay->options.simulation;

    if (flags->concurrency == 0)
        return false;
    snprintf(out, size,
             "closed loop (--concurrency %llu): the trace's arrival times are not used, and a slow "
             "fleet is sent less",
             (unsigned long long)flags->concurrency);
    return true;
}

static bool say_until(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;
    const struct sgl_simulation_flags *flags = &replay->options.simulation;

    if (totals->cut_in_flight + totals->cut_arrivals == 0)
        return false;
    snprintf(out, size,
             "cut after %g s (--until): %llu request%s had no answer yet, %llu had not arrived; "
             "figures are of those answered by then, so of short ones more than of long ones",
             (double)flags->until_ns / 1e9, (unsigned long long)totals->cut_in_flight,
             sgl_plural(totals->cut_in_flight), (unsigned long long)totals->cut_arrivals);
    return true;
}

static bool say_signal_loss(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_flags *flags = &replay->options.simulation;

    if (flags->signal_loss == NULL)
        return false;
    snprintf(out, size,
             "queue lengths are lost: %g %% of those in answers, %g %% of load reports "
             "(--signal-loss)",
             100 * flags->completions_loss, 100 * flags->load_loss);
    return true;
}

static bool say_admission(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->rejected == 0)
        return false;
    snprintf(out, size,
             "admission: %llu of %llu requests were not let in and count as failed; latencies "
             "are of those that were, their wait to be let in included",
             (unsigned long long)totals->rejected, (unsigned long long)totals->arrived);
    return true;
}

static bool say_deadlines(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->timed_out + totals->abandoned == 0)
        return false;
    snprintf(out, size,
             "deadlines: of %llu requests the router gave up %llu and clients left %llu, which "
             "count as failed; latencies are of the others, so of short ones more than of long "
             "ones",
             (unsigned long long)totals->arrived, (unsigned long long)totals->timed_out,
             (unsigned long long)totals->abandoned);
    return true;
}

static bool say_retries(const struct sgl_replay *replay, char *out, size_t size)
{
    const struct sgl_simulation_totals *totals = &replay->totals;

    if (totals->retries == 0)
        return false;
    snprintf(out, size, "retries: %llu attempt%s; a request counts as its last one ended",
             (unsigned long long)totals->retries, sgl_plural(totals->retries));
    return true;
}

static bool (*const caveats[])(const struct sgl_replay *replay, char *out, size_t size) = {
    say_cut_trace, say_no_max_tokens, say_max_tokens_cuts, say_memory_cuts, say_warm_up,
    say_sessions,  say_warm_cache,    say_closed_loop,     say_until,       say_signal_loss,
    say_admission, say_deadlines,     say_retries,
};

/* Those of the fleet stand behind those above. */
const char *sgl_replay_caveat(const struct sgl_replay *replay, uint32_t index, char *out,
                              size_t size)
{
    for (size_t i = 0; i < sizeof caveats / sizeof caveats[0]; i++)
        if (caveats[i](replay, out, size) && index-- == 0)
            return out;
    return sgl_simulated_fleet_caveat(&replay->fleet, &replay->options.simulation, index, out,
                                      size);
}
