package app

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp prints all settings for the program, and for a command those it uses. Every command accepts every
// setting, so that one set of variables serves all processes of an installation.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if selected := ctx.Selected(); selected != nil {
		for _, flag := range ctx.Model.Flags {
			flag.Hidden = flag.Hidden || !usedBy(flag, commandPath(selected))
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// partCommands run parts of Postrider until they are stopped.
var partCommands = []string{"serve", "api", "worker", "consume", "jobs"}

// usedBy reports whether a command uses a setting. The setting's tag "for" lists commands, with or without their
// subcommand; "parts" is all of partCommands. serve uses what any of them does. Flags without the tag are not settings
// and are for all commands.
func usedBy(flag *kong.Flag, path string) bool {
	if !flag.Tag.Has("for") {
		return true
	}
	command, _, _ := strings.Cut(path, " ")
	return slices.ContainsFunc(strings.Split(flag.Tag.Get("for"), ","), func(user string) bool {
		switch {
		case user == "parts":
			return slices.Contains(partCommands, command)
		case command == "serve" && slices.Contains(partCommands, user):
			return true
		}
		return user == command || user == path
	})
}

// commandPath returns a command as it is typed, without the program and arguments: "token issue".
func commandPath(node *kong.Node) string {
	var names []string
	for ; node != nil && node.Type == kong.CommandNode; node = node.Parent {
		names = append(names, node.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, " ")
}
