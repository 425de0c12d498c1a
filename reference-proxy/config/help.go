package config

import (
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const description = `The proxy owns the state of the entities that a user function implements: it serves their gRPC services, keeps what
they decide, and gives their state back to them.

Every setting has the same name in three places: the flag --http-port is the line "http-port: 9000" in the file that
--config names, and an environment variable, shown in brackets. Flags are stronger than the environment, the
environment is stronger than the file. A variable CLOUDSTATE_... that is no setting is ignored, with a warning in the
log.

Sizes are bytes, or take a unit: 64KiB, 4MiB, 1GiB. Times take a unit: 500ms, 30s, 5m, 1h.

Examples:

  # beside a user function on port 8080, state in ./cloudstate-data
  PROGRAM

  # throw-away state, other ports
  PROGRAM --store=memory --http-port=9001 --user-function-port=8081

  # state in PostgreSQL: make the tables once, then run
  export CLOUDSTATE_STORE=postgres CLOUDSTATE_POSTGRES_URL=postgres://me:secret@127.0.0.1:5432/shop
  PROGRAM store migrate
  PROGRAM

  # settings from a file, one of them overruled
  PROGRAM --config=proxy.yaml --log-level=debug`

// options tells kong how to read and how to explain the command line.
func (p *parser) options(program Program, stdout io.Writer) []kong.Option {
	titles := make([]kong.Group, len(groups))
	for i, g := range groups {
		titles[i] = kong.Group{Key: g.key, Title: g.title + ":"}
	}
	options := []kong.Option{
		kong.Name(program.Name),
		kong.Description(strings.ReplaceAll(description, "PROGRAM", program.Name)),
		kong.Vars{"version": program.Name + " " + program.Version},
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, WrapUpperBound: 120, NoAppDescFormat: true}),
		kong.ValueFormatter(explainValue),
		kong.ExplicitGroups(titles),
		kong.Help(helpPrinter(program)),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { p.shown = true }),
		kong.Resolvers(p),
	}
	seen := make(map[reflect.Type]bool)
	for _, s := range settings {
		if t := s.field.Type; !seen[t] {
			seen[t] = true
			mapper := kong.Mapper(p)
			if t.Kind() == reflect.Bool {
				mapper = switchMapper{p}
			}
			options = append(options, kong.TypeMapper(t, mapper))
		}
	}
	return options
}

// helpPrinter prints kong's help; for a store command without the flags that do not matter to it.
func helpPrinter(program Program) kong.HelpPrinter {
	return func(options kong.HelpOptions, ctx *kong.Context) error {
		node := ctx.Selected()
		if node == nil || node.Name == "run" {
			return kong.DefaultHelpPrinter(options, ctx)
		}
		node.Detail = strings.ReplaceAll(node.Detail, "PROGRAM", program.Name)
		for _, flag := range ctx.Model.Flags {
			flag.Hidden = flag.Group != nil && !slices.Contains(storeGroups, flag.Group.Key)
		}
		return kong.DefaultHelpPrinter(options, ctx)
	}
}

// storeGroups are the flags that matter to store commands.
var storeGroups = []string{"state", "stores", "general"}

// switchMapper is the parser for flags that need no value.
type switchMapper struct{ *parser }

// IsBool tells kong so.
func (switchMapper) IsBool() bool { return true }

// explainValue adds to a setting's help what may be written and what it is otherwise.
func explainValue(value *kong.Value) string {
	s, known := settingNamed(value.Name)
	if !known {
		return value.Help
	}
	notes := "[$" + s.env + "]"
	if d := s.field.Tag.Get("default"); d != "" {
		notes = "Default " + d + ". " + notes
	}
	return value.Help + " " + notes
}
