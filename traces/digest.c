#include "digest.h"

void sgl_digest_text(struct sgl_digest *digest, const char *text, size_t size)
{
    uint64_t word = 0;

    sgl_digest_word(digest, size);
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)(unsigned char)text[i] << (i % 8 * 8);
        if (i % 8 == 7 || i + 1 == size) {
            sgl_digest_word(digest, word);
            word = 0;
        }
    }
}
