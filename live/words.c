#include "words.h"

/* clang-format off */
static const char words[SGL_WORD_COUNT][SGL_WORD_BYTES + 1] = {
    " the", " and", " for", " are", " but", " not", " you", " all", " can", " had", " her",
    " was", " one", " our", " out", " day", " get", " has", " him", " his", " how", " man",
    " new", " now", " old", " see", " two", " way", " who", " did", " its", " let", " put",
    " say", " she", " too", " use", " big", " end", " far", " few", " got", " own", " run",
    " set", " six", " ten", " top", " try", " why", " yes", " yet", " car", " eye", " low",
    " sun", " war", " law", " air", " key", " map", " net", " red", " sea",
};
/* clang-format on */

const char *sgl_word(uint64_t number)
{
    return words[number % SGL_WORD_COUNT];
}
