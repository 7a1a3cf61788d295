#include "options.h"

#include "cli/cli.h"
#include "cli/config_json.h"
#include "core/parameters.h"
#include "core/text.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_MAX 128
#define EXPECTED_SIZE 96
#define CONFIG_SIZE_MAX ((size_t)1024 * 1024)

/* Values of getopt's `val`: rows of the table from ROW_FIRST on, and from NEGATED_FIRST on the same
 * rows as --no-NAME. */
enum { VALUE_HELP = 1, VALUE_CONFIG, ROW_FIRST = 256, NEGATED_FIRST = ROW_FIRST + OPTION_MAX };

#define NEGATED_NAME_SIZE 48

/* Of the text of --help. */
#define WIDTH 100
#define HELP_COLUMN 32
#define STANDARD_SIZE 48

static bool read_duration(const char *text, int64_t *value_out)
{
    double nanoseconds;

    if (!sgl_duration_read(text, strlen(text), &nanoseconds) || !(nanoseconds < 1e18))
        return false;
    *value_out = (int64_t)llround(nanoseconds);
    return true;
}

static bool read_natural(const char *text, uint64_t least, uint64_t *value_out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value_out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value_out >= least;
}

/* What the kind expects, for a message. */
static const char *expected(const struct sgl_option *option, char *out, size_t size)
{
    switch (option->kind) {
    case SGL_OPTION_FLAG:
        return "on or off";
    case SGL_OPTION_TEXT:
        return "a text";
    case SGL_OPTION_PAIRS:
        return "name=value,...";
    case SGL_OPTION_CHOICE:
        snprintf(out, size, "one of %s", option->argument);
        return out;
    case SGL_OPTION_NATURAL:
        snprintf(out, size, "a whole number from %llu", (unsigned long long)option->least);
        return out;
    case SGL_OPTION_POSITIVE:
        return "a number above 0";
    case SGL_OPTION_DURATION:
        return option->least == 0 ? "a duration such as 5ms (units ns us ms s)"
                                  : "a duration above 0 such as 60s (units ns us ms s)";
    case SGL_OPTION_LIST:
        snprintf(out, size, "a text, at most %d times", SGL_OPTION_LIST_MAX);
        return out;
    }
    return "";
}

/* "name=value", and more behind commas; a value may be empty, a name may not. */
static bool is_pairs(const char *text)
{
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        if (length == 0 || *at == '=' || memchr(at, '=', length) == NULL)
            return false;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}

static bool set_option(const struct sgl_option *option, const char *value)
{
    switch (option->kind) {
    case SGL_OPTION_FLAG:
        if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
            return false;
        *(bool *)option->target = strcmp(value, "on") == 0;
        return true;
    case SGL_OPTION_TEXT:
        *(const char **)option->target = value;
        return value[0] != '\0';
    case SGL_OPTION_PAIRS:
        *(const char **)option->target = value;
        return is_pairs(value);
    case SGL_OPTION_CHOICE:
        *(const char **)option->target = value;
        return sgl_list_has(option->argument, '|', value, strlen(value), NULL);
    case SGL_OPTION_NATURAL:
        return read_natural(value, option->least, option->target);
    case SGL_OPTION_POSITIVE: {
        double *target = option->target;
        return sgl_real_read(value, strlen(value), target) && *target > 0;
    }
    case SGL_OPTION_DURATION:
        return read_duration(value, option->target) &&
               *(const int64_t *)option->target >= (int64_t)option->least;
    case SGL_OPTION_LIST: {
        struct sgl_option_list *list = option->target;
        if (list->count == SGL_OPTION_LIST_MAX || value[0] == '\0')
            return false;
        list->items[list->count++] = value;
        return true;
    }
    }
    return false;
}

static const struct sgl_option *find_option(const struct sgl_usage *usage, const char *name)
{
    for (const struct sgl_option *option = usage->options; option->name != NULL; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

/* Says that there is no option of that name, and which one may have been meant. */
static void refuse_unknown(const struct sgl_usage *usage, const char *where, const char *prefix,
                           const char *name)
{
    char hint[128];
    struct sgl_nearest nearest = {.wanted = name};

    for (const struct sgl_option *option = usage->options; option->name != NULL; option++)
        sgl_nearest_offer(&nearest, option->name);
    sgl_nearest_hint(&nearest, hint, sizeof hint);
    if (where[0] != '\0')
        sgl_complain_at("%sunknown option %s%.60s%s", where, prefix, name, hint);
    else
        sgl_complain("unknown option %s%.60s%s (--help lists them)", prefix, name, hint);
}

/* The part of a line between blanks, in place. */
static char *trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

/* A flag may be said again, and taken back. */
static bool is_one(const struct sgl_option *option)
{
    return option->kind != SGL_OPTION_LIST && option->kind != SGL_OPTION_FLAG;
}

/* Was an option of the same target given before? Two names may be one option. */
static bool is_again(const struct sgl_usage *usage, bool was_given[static OPTION_MAX],
                     const struct sgl_option *option)
{
    bool is_again = false;

    for (size_t i = 0; usage->options[i].name != NULL; i++)
        is_again = is_again || (was_given[i] && usage->options[i].target == option->target);
    was_given[option - usage->options] = true;
    return is_again;
}

/* One `name = value` line; `where` opens a complaint. */
static bool read_config_line(const struct sgl_usage *usage, const char *where, char *line,
                             bool was_given[static OPTION_MAX])
{
    char text[EXPECTED_SIZE];
    char *equals = strchr(line, '=');

    if (equals == NULL) {
        sgl_complain_at("%sno '=', expected name = value", where);
        return false;
    }
    *equals = '\0';
    const char *name = trimmed(line);
    const struct sgl_option *option = find_option(usage, name);
    if (option == NULL) {
        refuse_unknown(usage, where, "", name);
        return false;
    }
    if (option->kind != SGL_OPTION_LIST && is_again(usage, was_given, option)) {
        sgl_complain_at("%s%s is given twice, expected once (what was said first would be lost)",
                        where, name);
        return false;
    }
    const char *value = trimmed(equals + 1);
    if (set_option(option, value))
        return true;
    sgl_complain_at("%s%s = %.60s, expected %s", where, name, value,
                    expected(option, text, sizeof text));
    return false;
}

/* A '#' at the start or after a blank begins a comment; elsewhere it is part of a value. */
static void cut_comment(char *line)
{
    for (char *c = line; *c != '\0'; c++)
        if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
            *c = '\0';
            return;
        }
}

/* The lines of a configuration, in place. Those made of JSON have no number to tell. */
static int read_config_lines(const struct sgl_usage *usage, const char *path, char *text,
                             bool is_numbered)
{
    char where[300];
    bool was_given[OPTION_MAX] = {false};
    int number = 0;

    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        cut_comment(line);
        char *content = trimmed(line);
        number++;
        if (is_numbered)
            snprintf(where, sizeof where, "%.250s:%d: ", path, number);
        else
            snprintf(where, sizeof where, "%.250s: ", path);
        if (*content != '\0' && !read_config_line(usage, where, content, was_given))
            return SGL_EXIT_USAGE;
        line = end != NULL ? end + 1 : NULL;
    }
    return SGL_OPTIONS_RUN;
}

/* Reads a configuration. Values point into its text, which therefore lives until the program ends.
 */
static int read_config(const struct sgl_usage *usage, const char *path)
{
    static char text[CONFIG_SIZE_MAX + 1];
    static char lines[CONFIG_SIZE_MAX + 1];
    struct sgl_failure failure;
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        sgl_complain("%.300s: %s (--config takes a file of name = value lines)", path,
                     strerror(errno));
        return SGL_EXIT_FAILED;
    }
    const size_t size = fread(text, 1, sizeof text, file);
    const bool is_read = ferror(file) == 0;
    fclose(file);
    if (!is_read || size > CONFIG_SIZE_MAX || memchr(text, '\0', size) != NULL) {
        sgl_complain("%.300s: cannot be read as text of at most %zu bytes", path, CONFIG_SIZE_MAX);
        return SGL_EXIT_FAILED;
    }
    text[size] = '\0';
    if (!sgl_config_is_json(text))
        return read_config_lines(usage, path, text, true);
    if (sgl_config_of_json(text, lines, sizeof lines, &failure) != SGL_OK) {
        sgl_complain_at("%.250s:%s%s", path,
                        failure.text[0] >= '0' && failure.text[0] <= '9' ? "" : " ", failure.text);
        return SGL_EXIT_USAGE;
    }
    return read_config_lines(usage, path, lines, false);
}

/* The table as getopt_long wants it. Letters are not offered to getopt's abbreviations. */
static void make_long_options(const struct sgl_usage *usage, struct option *rows, char *letters,
                              char (*negated)[NEGATED_NAME_SIZE])
{
    size_t count = 0;
    size_t letter_count = 0;

    rows[count++] = (struct option){"help", no_argument, NULL, VALUE_HELP};
    rows[count++] = (struct option){"config", required_argument, NULL, VALUE_CONFIG};
    letters[letter_count++] = ':'; /* a missing argument is told apart */
    letters[letter_count++] = 'h';
    for (size_t i = 0; usage->options[i].name != NULL; i++) {
        const struct sgl_option *option = &usage->options[i];
        const bool takes_value = option->kind != SGL_OPTION_FLAG;
        assert(i < OPTION_MAX - 2); /* help, config, and the end of the table */
        rows[count++] = (struct option){option->name, takes_value ? required_argument : no_argument,
                                        NULL, ROW_FIRST + (int)i};
        if (!takes_value) {
            snprintf(negated[i], sizeof negated[i], "no-%s", option->name);
            rows[count++] = (struct option){negated[i], no_argument, NULL, NEGATED_FIRST + (int)i};
        }
        if (option->letter != 0) {
            letters[letter_count++] = option->letter;
            if (takes_value)
                letters[letter_count++] = ':';
        }
    }
    rows[count] = (struct option){0};
    letters[letter_count] = '\0';
}

static const struct sgl_option *option_of(const struct sgl_usage *usage, int value)
{
    if (value >= NEGATED_FIRST)
        return &usage->options[value - NEGATED_FIRST];
    if (value >= ROW_FIRST)
        return &usage->options[value - ROW_FIRST];
    for (const struct sgl_option *option = usage->options; option->name != NULL; option++)
        if (option->letter == value)
            return option;
    return NULL;
}

/* One pass over argv. `config` gathers --config when it is asked for, else options are set. */
static int scan(const struct sgl_usage *usage, int argument_count, char **arguments,
                const char **config)
{
    char negated[OPTION_MAX][NEGATED_NAME_SIZE];
    struct option rows[2 * OPTION_MAX];
    char letters[2 * OPTION_MAX];
    char text[EXPECTED_SIZE];
    bool was_given[OPTION_MAX] = {false};
    int value;

    make_long_options(usage, rows, letters, negated);
    optind = 0; /* GNU: scan anew, and move operands to the end */
    opterr = 0;
    while ((value = getopt_long(argument_count, arguments, letters, rows, NULL)) != -1) {
        const char *word = arguments[optind - 1];
        if (value == VALUE_HELP || value == 'h') {
            sgl_usage_print(usage);
            return SGL_EXIT_DONE;
        }
        if (value == ':') {
            sgl_complain("option %.60s needs a value (--help says which)", word);
            return SGL_EXIT_USAGE;
        }
        if (value == '?') {
            char name[64];
            if (optopt != 0 && optopt < ROW_FIRST && optopt > VALUE_CONFIG)
                snprintf(name, sizeof name, "-%c", optopt);
            else
                snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
            const size_t dashes = strspn(name, "-");
            if (optopt >= ROW_FIRST)
                sgl_complain("option %.60s takes no value", name);
            else
                refuse_unknown(usage, "", dashes > 1 ? "--" : "-", name + dashes);
            return SGL_EXIT_USAGE;
        }
        if (value == VALUE_CONFIG) {
            if (config != NULL && *config != NULL) {
                sgl_complain("--config is given twice, expected one file");
                return SGL_EXIT_USAGE;
            }
            if (config != NULL)
                *config = optarg;
            continue;
        }
        const struct sgl_option *option = option_of(usage, value);
        if (config != NULL || option == NULL)
            continue;
        if (is_one(option) && is_again(usage, was_given, option)) {
            const bool is_list = strstr(option->argument, "...") != NULL;
            sgl_complain("--%s is given twice, expected once (%s%s)", option->name,
                         is_list ? "one list: " : "what was said first would be lost",
                         is_list ? option->argument : "");
            return SGL_EXIT_USAGE;
        }
        if (option->kind == SGL_OPTION_FLAG) {
            *(bool *)option->target = value < NEGATED_FIRST;
        } else if (!set_option(option, optarg)) {
            sgl_complain("--%s %.60s, expected %s", option->name, optarg[0] != '\0' ? optarg : "''",
                         expected(option, text, sizeof text));
            return SGL_EXIT_USAGE;
        }
    }
    return SGL_OPTIONS_RUN;
}

int sgl_options_parse(const struct sgl_usage *usage, int argument_count, char **arguments,
                      size_t *operand_count_out)
{
    const char *config = NULL;
    int parsed = scan(usage, argument_count, arguments, &config);

    if (parsed == SGL_OPTIONS_RUN && config != NULL)
        parsed = read_config(usage, config);
    if (parsed == SGL_OPTIONS_RUN)
        parsed = scan(usage, argument_count, arguments, NULL);
    if (parsed != SGL_OPTIONS_RUN)
        return parsed;
    const size_t count = (size_t)(argument_count - optind);
    for (size_t i = 0; i < count; i++)
        arguments[1 + i] = arguments[(size_t)optind + i];
    *operand_count_out = count;
    if (count >= usage->operands_least && count <= usage->operands_most)
        return SGL_OPTIONS_RUN;
    const int synopsis = (int)strcspn(usage->synopsis, "\n");
    if (count < usage->operands_least)
        sgl_complain("an operand is missing (usage: %.*s)", synopsis, usage->synopsis);
    else
        sgl_complain("'%.60s' is one operand too many (usage: %.*s)",
                     arguments[1 + usage->operands_most], synopsis, usage->synopsis);
    return SGL_EXIT_USAGE;
}

/* How a flag of a configuration is undone, by the example of the table's first. */
static void print_negation(const struct sgl_usage *usage)
{
    for (const struct sgl_option *option = usage->options; option->name != NULL; option++)
        if (option->kind == SGL_OPTION_FLAG) {
            printf("  %-30sturn a flag off that FILE turns on, such as --no-%s\n", "--no-FLAG",
                   option->name);
            return;
        }
}

/* What an option is without being given, where its help does not say it. The tables hold it until
 * argv is read. */
static const char *standard_of(const struct sgl_option *option, char out[static STANDARD_SIZE])
{
    char real[SGL_REAL_TEXT_MAX];

    out[0] = '\0';
    if (strstr(option->help, "default") != NULL || strcmp(option->help, "the same") == 0)
        return out;
    switch (option->kind) {
    case SGL_OPTION_TEXT:
    case SGL_OPTION_CHOICE: {
        const char *text = *(const char *const *)option->target;
        if (text != NULL && text[0] != '\0' && strlen(text) < 24)
            snprintf(out, STANDARD_SIZE, " (default %s)", text);
        break;
    }
    case SGL_OPTION_NATURAL: {
        const uint64_t value = *(const uint64_t *)option->target;
        if (value >= option->least && value < UINT64_MAX && (value > 0 || option->least == 0))
            snprintf(out, STANDARD_SIZE, " (default %llu)", (unsigned long long)value);
        break;
    }
    case SGL_OPTION_POSITIVE: {
        const double value = *(const double *)option->target;
        if (isfinite(value) && value > 0)
            snprintf(out, STANDARD_SIZE, " (default %s)", sgl_real_text(value, real));
        break;
    }
    case SGL_OPTION_FLAG:
    case SGL_OPTION_PAIRS:
    case SGL_OPTION_DURATION:
    case SGL_OPTION_LIST:
        break;
    }
    return out;
}

/* A newline in a help text continues under the text; a default that does not fit goes there too. */
static void print_help(const struct sgl_option *option)
{
    char standard[STANDARD_SIZE];
    const char *last_line = strrchr(option->help, '\n');

    for (const char *c = option->help; *c != '\0'; c++)
        if (*c == '\n')
            printf("\n%*s", HELP_COLUMN, "");
        else
            putchar(*c);
    last_line = last_line != NULL ? last_line + 1 : option->help;
    standard_of(option, standard);
    if (standard[0] != '\0' && HELP_COLUMN + strlen(last_line) + strlen(standard) > WIDTH)
        printf("\n%*s%s\n", HELP_COLUMN, "", standard + 1);
    else
        printf("%s\n", standard);
}

void sgl_usage_print(const struct sgl_usage *usage)
{
    printf("usage: %s\n\n%s", usage->synopsis, usage->text);
    printf("\noptions:\n");
    for (const struct sgl_option *option = usage->options; option->name != NULL; option++) {
        char left[64];
        const bool takes_value = option->kind != SGL_OPTION_FLAG;
        snprintf(left, sizeof left, "--%s%s%s", option->name, takes_value ? " " : "",
                 takes_value ? option->argument : "");
        if (option->letter != 0)
            printf("  -%c, %-26s", option->letter, left);
        else
            printf("  %-30s", left);
        if (strlen(left) > (option->letter != 0 ? 25 : 29))
            printf("\n%*s", HELP_COLUMN, "");
        print_help(option);
    }
    printf("  %-30s%s\n", "--config FILE",
           "options as `name = value` lines, or JSON; the command line wins");
    print_negation(usage);
    printf("  -h, %-26s%s\n", "--help", "this text");
    if (usage->examples != NULL)
        printf("\nexamples:\n%s", usage->examples);
}

void sgl_options_replace(struct sgl_option *table, const struct sgl_option *row)
{
    while (table->name != NULL && strcmp(table->name, row->name) != 0)
        table++;
    assert(table->name != NULL);
    if (table->name != NULL)
        *table = *row;
}
