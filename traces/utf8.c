#include "utf8.h"

static bool lead(struct sgl_utf8 *state, unsigned char byte)
{
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    state->missing = (unsigned char)(byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3);
    state->least = 0x80;
    state->most = 0xbf;
    if (byte == 0xe0)
        state->least = 0xa0; /* less would be overlong */
    else if (byte == 0xed)
        state->most = 0x9f; /* more would be a surrogate */
    else if (byte == 0xf0)
        state->least = 0x90;
    else if (byte == 0xf4)
        state->most = 0x8f; /* more would be above U+10FFFF */
    return true;
}

bool sgl_utf8_step(struct sgl_utf8 *state, unsigned char byte)
{
    if (state->missing == 0)
        return byte < 0x80 || lead(state, byte);
    if (byte < state->least || byte > state->most)
        return false;
    state->missing--;
    state->least = 0x80;
    state->most = 0xbf;
    return true;
}

bool sgl_utf8_is_valid(const char *text, size_t size)
{
    struct sgl_utf8 state = {0};

    for (size_t i = 0; i < size; i++)
        if (!sgl_utf8_step(&state, (unsigned char)text[i]))
            return false;
    return state.missing == 0;
}
