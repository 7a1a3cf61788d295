/* What a comparison writes: the table or JSON on stdout, and files of the kinds asked for. */
#include "compare.h"

#include "core/text.h"
#include "cli.h"
#include "program.h"
#include "traces/new_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int sgl_compare_check_outputs(const struct sgl_compare *compare)
{
    const struct sgl_option_list *outputs = &compare->options.outputs;

    for (uint32_t i = 0; i < outputs->count; i++) {
        if (sgl_report_writer_of(outputs->items[i]) == NULL) {
            sgl_complain(
                "--output %.200s: unknown kind, expected a path that ends in " SGL_REPORT_SUFFIXES,
                outputs->items[i]);
            return SGL_EXIT_USAGE;
        }
        for (uint32_t k = 0; k < compare->operand_count; k++)
            if (sgl_is_same_file(outputs->items[i], compare->operands[k])) {
                sgl_complain("--output %.200s is what is compared (choose another path)",
                             outputs->items[i]);
                return SGL_EXIT_USAGE;
            }
    }
    return SGL_OPTIONS_RUN;
}

static int fail_io(struct sgl_failure *failure, const char *path)
{
    char text[128];

    if (strerror_r(errno, text, sizeof text) != 0)
        snprintf(text, sizeof text, "error %d", errno);
    return sgl_fail(failure, SGL_EIO, "%.200s: cannot be written: %s", path, text);
}

static int write_file(const char *path, const struct sgl_report *report,
                      struct sgl_failure *failure)
{
    struct sgl_new_file file;
    int status = sgl_new_file_open(&file, path, failure);

    if (status != SGL_OK)
        return status;
    /* The descriptor stays the file's: publish syncs it. */
    const int own = dup(file.descriptor);
    FILE *out = own >= 0 ? fdopen(own, "w") : NULL;
    if (out == NULL) {
        if (own >= 0)
            close(own);
        status = fail_io(failure, path);
    } else {
        status = sgl_report_writer_of(path)(out, report);
        if (fclose(out) != 0 && status == SGL_OK)
            status = SGL_EIO;
        if (status == SGL_ENOMEM)
            sgl_fail(failure, status, "out of memory for %.200s", path);
        else if (status != SGL_OK)
            fail_io(failure, path);
    }
    if (status == SGL_OK)
        return sgl_new_file_publish(&file, failure);
    sgl_new_file_discard(&file);
    return status;
}

int sgl_compare_write(const struct sgl_compare *compare, struct sgl_failure *failure)
{
    const struct sgl_compare_options *o = &compare->options;
    char word[SGL_SHELL_WORD_MAX];
    int status = SGL_OK;

    sgl_say_kept(o->quiet);
    for (uint32_t i = 0; i < o->outputs.count && status == SGL_OK; i++)
        status = write_file(o->outputs.items[i], &compare->report, failure);
    if (status != SGL_OK)
        return status;
    if (o->json && sgl_report_json(stdout, &compare->report) == SGL_ENOMEM)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (!o->json)
        sgl_report_text(stdout, &compare->report);
    for (uint32_t i = 0; i < o->outputs.count && !o->json; i++)
        printf("written      %s\n", sgl_text_shell_word(o->outputs.items[i], word, sizeof word));
    return SGL_OK;
}
