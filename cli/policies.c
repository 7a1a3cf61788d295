/* sglsim policies [NAME]: the table of policies, or everything about one. */
#include "cli.h"
#include "core/policy.h"
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 100 /* of a screen, at least */

static void print_names(void)
{
    for (uint32_t i = 0; sgl_policy_at(i) != NULL; i++)
        printf("%s\n", sgl_policy_at(i)->name);
}

static void print_list(void)
{
    printf("%-18s %-11s %s\n", "policy", "alias", "what it does");
    for (uint32_t i = 0; sgl_policy_at(i) != NULL; i++) {
        const struct sgl_policy_ops *ops = sgl_policy_at(i);
        printf("%-18s %-11s %s\n", ops->name, ops->aliases != NULL ? ops->aliases : "-",
               ops->summary);
    }
    printf("\nsglsim policies NAME explains one. Parameters: --policy NAME:key=value,key=value\n");
}

/* The standard value of a row, as it would be typed. */
static void format_standard(const struct sgl_parameter *row, char *out, size_t size)
{
    char number[SGL_REAL_TEXT_MAX];

    if (row->kind == SGL_PARAMETER_REALS || row->kind == SGL_PARAMETER_POLICY) {
        snprintf(out, size, "none");
    } else if (isnan(row->standard)) {
        snprintf(out, size, "by preset");
    } else if (row->kind == SGL_PARAMETER_CHOICE) {
        const char *word = row->choices;
        for (size_t skip = (size_t)row->standard; skip > 0; skip--)
            word = strchr(word, '|') + 1;
        snprintf(out, size, "%.*s", (int)strcspn(word, "|"), word);
    } else {
        snprintf(out, size, "%s", sgl_real_text(row->standard, number));
    }
}

static void format_range(const struct sgl_parameter *row, char *out, size_t size)
{
    if (row->kind == SGL_PARAMETER_CHOICE)
        snprintf(out, size, "%s", row->choices);
    else if (row->kind == SGL_PARAMETER_POLICY)
        snprintf(out, size, "a policy");
    else
        snprintf(out, size, "%g to %g%s", row->least, row->most,
                 row->kind == SGL_PARAMETER_INTEGER ? ", whole"
                 : row->kind == SGL_PARAMETER_REALS ? ", list"
                                                    : "");
}

/* Each line of a text, indented; one that is too long goes on below. */
static void print_lines(const char *text, int indent)
{
    const size_t most = (size_t)(COLUMNS - indent);

    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (length > most) {
            length = most;
            while (length > 1 && line[length] != ' ')
                length--;
        }
        printf("%*s%.*s\n", indent, "", (int)length, line);
        line += length;
        line += *line == '\n' || *line == ' ';
    }
}

static void print_section(const char *title, const char *text)
{
    printf("\n%s\n", title);
    print_lines(text, 2);
}

static void print_policy(const struct sgl_policy_ops *ops)
{
    printf("%s - %s\n", ops->name, ops->summary);
    if (ops->aliases != NULL)
        printf("alias: %s\n", ops->aliases);
    print_section("rule", ops->rule);
    printf("\nparameters%s\n", ops->parameters == NULL ? ": none" : "");
    for (const struct sgl_parameter *row = ops->parameters; row != NULL && row->name != NULL;
         row++) {
        char standard[40];
        char range[80];
        format_standard(row, standard, sizeof standard);
        format_range(row, range, sizeof range);
        printf("  %-21s default %-10s (%s)\n", row->name, standard, range);
        print_lines(row->help, 24);
    }
    print_section("source", ops->source);
}

int sgl_command_policies(int argument_count, char **arguments)
{
    bool names = false;
    const struct sgl_option table[] = {
        {"names", 0, SGL_OPTION_FLAG, NULL, &names, "names alone, one a line, for scripts", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim policies [NAME] [options]",
        .text = "Lists the routing policies, or explains one: its rule, its parameters with "
                "defaults and\n"
                "ranges, and where the rule comes from.\n",
        .examples = "  sglsim policies\n"
                    "  sglsim policies marginal_utility\n",
        .options = table,
        .operands_most = 1,
    };
    struct sgl_failure failure;
    struct sgl_policy_spec spec;
    size_t operand_count;

    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (operand_count == 0) {
        if (names)
            print_names();
        else
            print_list();
        return SGL_EXIT_DONE;
    }
    const struct sgl_policy_ops *ops = sgl_policy_named(arguments[1], strcspn(arguments[1], ":"));
    if (ops == NULL) {
        sgl_policy_parse(&spec, arguments[1], &failure); /* for its message */
        sgl_complain("%s", failure.text);
        return SGL_EXIT_USAGE;
    }
    if (names)
        printf("%s\n", ops->name);
    else
        print_policy(ops);
    return SGL_EXIT_DONE;
}
