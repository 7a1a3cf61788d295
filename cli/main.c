/* sglsim: a table of commands. */
#include "cli.h"
#include "core/version.h"
#include "live_program.h"
#include "program.h"

#include <stdio.h>
#include <string.h>

static int command_help(int argument_count, char **arguments);

static const struct sgl_command commands[] = {
    {"replay", "run a trace through a policy and simulated workers, logging every decision",
     sgl_command_replay},
    {"compare", "several policies on the same requests, with intervals; or finished logs",
     sgl_command_compare},
    {"sweep", "policies x loads x fleets x seeds on all processors, into one database",
     sgl_command_sweep},
    {"verify", "re-execute a decision log and prove it bit for bit", sgl_command_verify},
    {"generate", "draw a synthetic trace: arrivals, lengths, prefixes, sessions",
     sgl_command_generate},
    {"calibrate", "fit step times to recorded requests or measured tables: a profile",
     sgl_command_calibrate},
    {"validate", "recorded against simulated: how far off are the figures", sgl_command_validate},
    {"convert", "write a trace in another format, or a log in another medium", sgl_command_convert},
    {"serve", "route live requests to SGLang servers by a policy, logging every decision",
     sgl_become_live_program},
    {"emulate", "serve SGLang's API from simulated workers in real time, without a GPU",
     sgl_become_live_program},
    {"load", "send a trace to a server as real requests, and measure the answers",
     sgl_become_live_program},
    {"policies", "list the policies, or explain one: rule, parameters, source",
     sgl_command_policies},
    {"help", "this text, or that of a command", command_help},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_help(void)
{
    printf("sglsim " SGL_VERSION
           " - replay LLM inference traces through routing policies, decision by decision\n\n"
           "usage: sglsim COMMAND [operands] [options]\n\n"
           "commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\nexamples:\n"
           "  sglsim replay trace.csv --policy marginal_utility\n"
           "  sglsim compare trace.csv --policy round_robin --policy least_outstanding -o "
           "report.html\n"
           "  sglsim verify sglsim-run.db\n"
           "  sglsim policies marginal_utility\n"
           "  sglsim help replay\n\n"
           "exit status: 0 done, 1 failed, 2 usage, 3 a gate failed or verify found a "
           "difference, 4 not\n"
           "identifiable\n");
}

static const struct sgl_command *find_command(const char *name)
{
    return sgl_find_command(commands, COMMAND_COUNT, name);
}

static int command_help(int argument_count, char **arguments)
{
    static char help[] = "--help";

    if (argument_count < 2 || strcmp(arguments[1], help) == 0 || strcmp(arguments[1], "-h") == 0) {
        print_help();
        return SGL_EXIT_DONE;
    }
    const struct sgl_command *command = find_command(arguments[1]);
    if (command == NULL)
        return SGL_EXIT_USAGE;
    if (argument_count > 2) {
        sgl_complain("'%.60s' is one operand too many (usage: sglsim help [COMMAND])",
                     arguments[2]);
        return SGL_EXIT_USAGE;
    }
    if (command->run == command_help) {
        print_help();
        return SGL_EXIT_DONE;
    }
    char *asked[] = {arguments[1], help, NULL};
    return command->run(2, asked);
}

int main(int argument_count, char **arguments)
{
    sgl_prepare_output();
    sgl_stop_tidily();
    if (argument_count < 2) {
        print_help();
        return sgl_flushed(SGL_EXIT_USAGE);
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help();
        return sgl_flushed(SGL_EXIT_DONE);
    }
    if (strcmp(name, "--version") == 0) {
        printf("sglsim " SGL_VERSION "\n");
        return sgl_flushed(SGL_EXIT_DONE);
    }
    if (name[0] == '-') {
        sgl_complain("'%.60s' comes before a command (usage: sglsim COMMAND [options])", name);
        return SGL_EXIT_USAGE;
    }
    const struct sgl_command *command = find_command(name);
    if (command == NULL)
        return SGL_EXIT_USAGE;
    return sgl_flushed(command->run(argument_count - 1, arguments + 1));
}
