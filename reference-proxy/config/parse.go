package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// ErrShown is what [Parse] returns after it printed what was asked for, the help text or the version, instead of
// reading settings. The program should end with exit status 0.
var ErrShown = errors.New("help or version shown")

// Program says what the help text and --version call the program.
type Program struct {
	// Name is the command, such as cloudstate-proxy.
	Name string
	// Version is printed by --version.
	Version string
}

// Parse reads the settings from args (without the command itself) and environ (as os.Environ gives it), and from the
// file that one of them names. It prints only to stdout, and only what --help or --version asks for; then its error is
// [ErrShown]. Every other error is an [*Error], to be printed as it is; the exit status for it is 2.
func Parse(program Program, args, environ []string, stdout io.Writer) (*Invocation, error) {
	p := &parser{places: make(map[string]fileValue)}
	p.readEnvironment(environ)
	if err := p.findFile(args); err != nil {
		return nil, err
	}
	var line commandLine
	app, err := kong.New(&line, p.options(program, stdout)...)
	if err != nil {
		return nil, err
	}
	context, err := app.Parse(args)
	if p.shown {
		return nil, ErrShown
	}
	if err != nil {
		return nil, explain(err)
	}
	for _, step := range context.Path {
		if step.Flag != nil && !step.Resolved {
			p.places[step.Flag.Name] = fileValue{place: "flag --" + step.Flag.Name}
		}
	}
	config, command := &line.Config, Command(context.Command())
	if err := p.check(config); err != nil {
		return nil, err
	}
	if err := p.needed(command, config); err != nil {
		return nil, err
	}
	transfer, err := line.Store.transfer(command)
	if err != nil {
		return nil, err
	}
	return &Invocation{Command: command, Config: config, Transfer: transfer, Warnings: p.warnings(config)}, nil
}

// Default gives the settings of a proxy that was started without any.
func Default() *Config {
	c := new(Config)
	v := reflect.ValueOf(c).Elem()
	for _, s := range settings {
		text, found := s.field.Tag.Lookup("default")
		if !found {
			continue
		}
		// A default that cannot be read is a mistake in this package; its tests read them all.
		if err := setText(v.Field(s.index), text); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.name, err)) //nolint:forbidigo // a default is a constant of this package
		}
	}
	return c
}

// parser keeps, for one run of Parse, what environment and file say, and where each value came from.
type parser struct {
	environment map[string]fileValue
	file        map[string]fileValue
	places      map[string]fileValue
	shown       bool
}

func (p *parser) readEnvironment(environ []string) {
	p.environment = make(map[string]fileValue)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		for _, s := range settings {
			// An empty variable counts as unset: shells and container specifications leave such ones behind.
			if s.env == name && value != "" {
				p.environment[s.name] = fileValue{text: value, place: "environment variable " + name}
			}
		}
	}
}

// findFile looks for the settings file before anything else is read: its values are needed while the rest is parsed.
func (p *parser) findFile(args []string) (err error) {
	path := p.environment["config"].text
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, found := strings.CutPrefix(arg, "--config="); found {
			path = value
		} else if arg == "--config" && i+1 < len(args) {
			path = args[i+1]
		}
		if arg == "--help" || arg == "-h" || arg == "--version" {
			return nil
		}
	}
	if path != "" {
		p.file, err = readFile(path)
	}
	return err
}

// Validate is kong's hook for resolvers; everything is checked in Resolve and check.
func (p *parser) Validate(*kong.Application) error { return nil }

// Resolve gives kong the value of a flag that the command line does not have: the environment's, or else the file's.
func (p *parser) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s, known := settingNamed(flag.Name)
	if !known {
		return nil, nil
	}
	value, found := p.environment[s.name]
	if !found {
		value, found = p.file[s.name]
	}
	if !found {
		return nil, nil
	}
	p.places[s.name] = value
	if _, err := s.value(value.text); err != nil {
		return nil, &Error{Setting: s.name, Value: value.text, Place: value.place, Remedy: err.Error()}
	}
	return value.text, nil
}

// Decode reads the value of a flag, whichever source it came from.
func (p *parser) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	s, _ := settingNamed(ctx.Value.Name)
	place := "flag --" + s.name
	text := "true"
	if ctx.Value.IsBool() {
		// A switch has its value only behind an equals sign; alone it means true.
		if ctx.Scan.Peek().Type == kong.FlagValueToken {
			text = ctx.Scan.Pop().String()
		}
	} else {
		token := ctx.Scan.Pop()
		// A flag right behind this one is not its value: the value was forgotten.
		if token.IsEOL() || (token.Type != kong.FlagValueToken && strings.HasPrefix(token.String(), "--")) {
			return &Error{Setting: s.name, Place: place, Problem: "a value is missing", Remedy: "write it as --" + s.name + "=" + s.example()}
		}
		text = token.String()
	}
	if _, resolved := p.places[s.name]; !resolved && target.Type() == reflect.TypeFor[Secret]() {
		return &Error{
			Place: place, Problem: "every user of this machine can read a password on the command line",
			Remedy: "give it with " + s.env + ", in the settings file, or with --" + s.name + "-file",
		}
	}
	if err := setText(target, text); err != nil {
		return &Error{Setting: s.name, Value: text, Place: place, Remedy: err.Error()}
	}
	return nil
}

// check holds the values against their ranges and against each other.
func (p *parser) check(c *Config) error {
	v := reflect.ValueOf(c).Elem()
	for _, s := range settings {
		if err := s.checkRange(v.Field(s.index)); err != nil {
			return &Error{Setting: s.name, Value: fmt.Sprint(v.Field(s.index).Interface()), Place: p.place(s.name), Remedy: err.Error()}
		}
	}
	if c.DiscoveryBackoffMax < c.DiscoveryBackoffMin {
		return &Error{
			Setting: "discovery-backoff-max", Place: p.place("discovery-backoff-max"),
			Problem: fmt.Sprintf("discovery-backoff-max (%v) is shorter than discovery-backoff-min (%v)", c.DiscoveryBackoffMax, c.DiscoveryBackoffMin),
			Remedy:  "raise the one or lower the other",
		}
	}
	if c.ManagementPort == c.HTTPPort && c.ManagementHost == c.HTTPHost {
		return &Error{
			Setting: "management-port", Place: p.place("management-port"),
			Problem: fmt.Sprintf("management-port and http-port are both %d on %s", c.HTTPPort, c.HTTPHost),
			Remedy:  "give each its own port, or turn the probes off with management-port 0",
		}
	}
	return nil
}

func (p *parser) place(name string) string {
	if value, found := p.places[name]; found {
		return value.place
	}
	return "default"
}

// explain turns kong's errors into ours: what the parser found by itself comes out unwrapped, the rest is about flags.
func explain(err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	text := err.Error()
	if name, found := strings.CutPrefix(text, "unknown flag --"); found {
		name, _, _ = strings.Cut(name, ",")
		return &Error{Place: "command line", Problem: "there is no flag --" + name, Remedy: strings.Replace(suggestion(name), "did you mean ", "did you mean --", 1)}
	}
	return &Error{Place: "command line", Problem: text, Remedy: "see --help"}
}
