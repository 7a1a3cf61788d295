#include "candidates.h"

uint32_t sgl_candidate_in_turn(const struct sgl_view *view, uint32_t turn)
{
    uint32_t low = 0;
    uint32_t high = view->candidate_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (view->candidates[middle] < turn)
            low = middle + 1;
        else
            high = middle;
    }
    return view->candidates[low < view->candidate_count ? low : 0];
}
