/* Memory of buffers at rest: what is in buffers stays as it is, and the pool keeps its bound. */
#include "live/buffer_pool.h"

#include "core/rng.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define BUFFERS 12
#define MODEL_MAX 300000

/* A buffer beside what it must hold. */
struct modelled {
    struct sgl_buffer buffer;
    char *bytes;
    size_t size;
};

static void check(const struct modelled *m)
{
    CU_ASSERT_EQUAL(sgl_buffer_left(&m->buffer), m->size);
    CU_ASSERT(m->size == 0 || memcmp(m->buffer.bytes + m->buffer.start, m->bytes, m->size) == 0);
}

static void append(struct sgl_buffer_pool *pool, struct modelled *m, struct sgl_rng *draws)
{
    static const size_t sizes[] = {1, 40, 511, 512, 513, 3000, 16384, 70000, 140000};
    const size_t size = sizes[sgl_rng_next(draws) % (sizeof sizes / sizeof sizes[0])];

    if (m->size + size > MODEL_MAX)
        return;
    for (size_t i = 0; i < size; i++)
        m->bytes[m->size + i] = (char)sgl_rng_next(draws);
    if (sgl_rng_next(draws) % 4 != 0) {
        sgl_buffer_pool_reserve(pool, &m->buffer, size);
        CU_ASSERT(m->buffer.capacity - m->buffer.size >= size);
    }
    sgl_buffer_append(&m->buffer, m->bytes + m->size, size);
    m->size += size;
}

static void holds_what_it_held(void)
{
    struct sgl_buffer_pool pool = {.bytes_max = 200000};
    struct modelled all[BUFFERS] = {0};
    struct sgl_rng draws = {.state = 11};

    for (int i = 0; i < BUFFERS; i++) {
        all[i].bytes = malloc(MODEL_MAX);
        CU_ASSERT_PTR_NOT_NULL_FATAL(all[i].bytes);
    }
    for (int step = 0; step < 3000; step++) {
        struct modelled *m = &all[sgl_rng_next(&draws) % BUFFERS];
        switch (sgl_rng_next(&draws) % 4) {
        case 0:
            sgl_buffer_pool_give(&pool, &m->buffer);
            m->size = 0;
            break;
        case 1: {
            const size_t taken = m->size == 0 ? 0 : (size_t)(sgl_rng_next(&draws) % m->size);
            sgl_buffer_take(&m->buffer, taken);
            memmove(m->bytes, m->bytes + taken, m->size - taken);
            m->size -= taken;
            break;
        }
        default:
            append(&pool, m, &draws);
        }
        check(m);
        CU_ASSERT(pool.bytes <= pool.bytes_max);
    }
    for (int i = 0; i < BUFFERS; i++) {
        check(&all[i]);
        sgl_buffer_pool_give(&pool, &all[i].buffer);
        free(all[i].bytes);
    }
    sgl_buffer_pool_release(&pool);
    CU_ASSERT_EQUAL(pool.bytes, 0);
}

static void last_back_first_out(void)
{
    struct sgl_buffer_pool pool = {.bytes_max = 100000};
    struct sgl_buffer a = {0};
    struct sgl_buffer b = {0};

    sgl_buffer_pool_reserve(&pool, &a, 1000);
    sgl_buffer_pool_reserve(&pool, &b, 600);
    const char *const of_a = a.bytes;
    const char *const of_b = b.bytes;
    sgl_buffer_pool_give(&pool, &a);
    sgl_buffer_pool_give(&pool, &b);
    CU_ASSERT_EQUAL(pool.bytes, 2048);
    sgl_buffer_pool_reserve(&pool, &a, 513);
    CU_ASSERT_PTR_EQUAL(a.bytes, of_b);
    sgl_buffer_pool_reserve(&pool, &b, 1024);
    CU_ASSERT_PTR_EQUAL(b.bytes, of_a);
    CU_ASSERT_EQUAL(pool.bytes, 0);
    sgl_buffer_pool_give(&pool, &a);
    sgl_buffer_pool_give(&pool, &b);
    sgl_buffer_pool_release(&pool);
}

static void keeps_no_more_than_it_may(void)
{
    struct sgl_buffer_pool none = {0};
    struct sgl_buffer_pool pool = {.bytes_max = 1024};
    struct sgl_buffer buffers[4] = {{0}};

    for (int i = 0; i < 4; i++)
        sgl_buffer_pool_reserve(&pool, &buffers[i], 500);
    for (int i = 0; i < 4; i++)
        sgl_buffer_pool_give(&pool, &buffers[i]);
    CU_ASSERT_EQUAL(pool.bytes, 1024);
    sgl_buffer_pool_release(&pool);

    sgl_buffer_append(&buffers[0], "abc", 3);
    buffers[0].has_failed = true;
    sgl_buffer_pool_reserve(&none, &buffers[0], 100000);
    CU_ASSERT_EQUAL(buffers[0].size, 3);
    sgl_buffer_pool_give(&none, &buffers[0]);
    CU_ASSERT(!buffers[0].has_failed);
    CU_ASSERT_EQUAL(none.bytes, 0);
}

SGL_SUITE(buffer_pool) = {
    {"buffers hold what was put into them, wherever their memory comes from", holds_what_it_held},
    {"the last one back is the first one out", last_back_first_out},
    {"the pool keeps its bound", keeps_no_more_than_it_may},
    CU_TEST_INFO_NULL,
};
