#include "unfolded.h"

#include "log_copy.h"
#include "log_csv.h"
#include "partial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY "/tmp"
#define FILE_IN_FOLDER "/log.db"

bool sgl_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool has_mark(const char *folder)
{
    char mark[SGL_UNFOLDED_SIZE];
    struct stat info;

    return (size_t)snprintf(mark, sizeof mark, "%s/" SGL_LOG_CSV_MARK, folder) < sizeof mark &&
           stat(mark, &info) == 0;
}

int sgl_unfold(struct sgl_unfolded *unfolded, const char *folder, struct sgl_failure *failure)
{
    const char *wanted = getenv("TMPDIR");
    const char *parent = wanted != NULL && wanted[0] != '\0' ? wanted : TEMPORARY;
    char own[SGL_UNFOLDED_SIZE - sizeof FILE_IN_FOLDER];
    char text[SGL_ERROR_TEXT_SIZE];

    unfolded->path[0] = '\0';
    if (!has_mark(folder))
        return sgl_fail(failure, SGL_EINVAL,
                        "%.200s: is a folder, expected a file or a decision log in CSV (which has "
                        "a " SGL_LOG_CSV_MARK ")",
                        folder);
    if ((size_t)snprintf(own, sizeof own, "%s/sglsim-XXXXXX", parent) >= sizeof own)
        return sgl_fail(failure, SGL_EINVAL, "TMPDIR is too long");
    if (mkdtemp(own) == NULL)
        return sgl_fail(failure, SGL_EIO, "%.200s: no temporary folder: %s (set TMPDIR)", parent,
                        sgl_error_text(errno, text));
    snprintf(unfolded->path, sizeof unfolded->path, "%s%s", own, FILE_IN_FOLDER);
    const int status = sgl_log_copy_file(folder, unfolded->path, failure);
    if (status != SGL_OK)
        sgl_unfolded_remove(unfolded);
    return status;
}

void sgl_unfolded_remove(struct sgl_unfolded *unfolded)
{
    char *slash = strrchr(unfolded->path, '/');

    if (slash == NULL)
        return;
    unlink(unfolded->path);
    *slash = '\0';
    rmdir(unfolded->path);
    unfolded->path[0] = '\0';
}
