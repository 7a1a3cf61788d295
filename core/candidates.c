#include "candidates.h"

uint32_t sgl_candidate_position(const uint32_t *candidates, uint32_t count, uint32_t worker)
{
    uint32_t low = 0;
    uint32_t high = count;

    /* Of ascending numbers the i-th is at least i, and it is i when all before it are there. */
    if (worker < count && candidates[worker] == worker)
        return worker;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (candidates[middle] < worker)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t sgl_candidate_in_turn(const struct sgl_view *view, uint32_t turn)
{
    const uint32_t at = sgl_candidate_position(view->candidates, view->candidate_count, turn);

    return view->candidates[at < view->candidate_count ? at : 0];
}
