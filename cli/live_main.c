/* sglsim-live: the commands that need a network, see live_program.h. Users type `sglsim serve`. */
#include "cli.h"
#include "program.h"

static const struct sgl_command commands[] = {
    {"serve", NULL, sgl_command_serve},
    {"emulate", NULL, sgl_command_emulate},
    {"load", NULL, sgl_command_load},
};

int main(int argument_count, char **arguments)
{
    sgl_prepare_output();
    if (argument_count < 2) {
        sgl_complain("no command (usage: sglsim serve|emulate|load [options])");
        return SGL_EXIT_USAGE;
    }
    const struct sgl_command *command =
        sgl_find_command(commands, sizeof commands / sizeof commands[0], arguments[1]);
    if (command == NULL)
        return SGL_EXIT_USAGE;
    return sgl_flushed(command->run(argument_count - 1, arguments + 1));
}
