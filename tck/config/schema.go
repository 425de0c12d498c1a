package config

import (
	_ "embed" // the schema is part of the program
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is the JSON schema of tck.yaml, published as docs/tck/tck.schema.json.
//
//go:embed tck.schema.json
var Schema string

const schemaName = "urn:cloudstate:tck.schema"

// compiled returns the schema and the compiler that knows its parts.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, *jsonschema.Compiler) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		panic(err) //nolint:forbidigo // the embedded schema is JSON: a test reads it
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaName, document); err != nil {
		panic(err) //nolint:forbidigo // the embedded schema is one: a test compiles it
	}
	return compiler.MustCompile(schemaName), compiler
})

// validate holds value, which root is the text of, against the schema.
func validate(f *faults, root *yaml.Node, value any) {
	schema, _ := compiled()
	err := schema.Validate(value)
	if err == nil {
		return
	}
	fault, ok := err.(*jsonschema.ValidationError) //nolint:errorlint // the library returns it bare
	if !ok {
		f.add(root, "%v", err)
		return
	}
	leaves(fault, nil, false, func(leaf *jsonschema.ValidationError, at []string) { explain(f, root, leaf, at) })
}

// leaves calls visit with the errors that are the cause of the others, each with the place of what it is about. Of alternatives the last is taken: the
// more general form. at is the place of the error that err is the cause of; a name has none of its own and is given its value's (named).
func leaves(err *jsonschema.ValidationError, at []string, named bool, visit func(*jsonschema.ValidationError, []string)) {
	if !named {
		if k, ok := err.ErrorKind.(*kind.PropertyNames); ok {
			at, named = append(slices.Clone(at), k.Property), true
		} else {
			at = err.InstanceLocation
		}
	}
	if len(err.Causes) == 0 {
		visit(err, at)
		return
	}
	causes := err.Causes
	if _, alternatives := err.ErrorKind.(*kind.OneOf); alternatives {
		causes = causes[len(causes)-1:]
	}
	for _, cause := range causes {
		leaves(cause, at, named, visit)
	}
}

// explain tells of one error in our own words, at the place of the text that it is about.
func explain(f *faults, root *yaml.Node, err *jsonschema.ValidationError, at []string) {
	key, value := locate(root, at)
	what := "the file"
	if n := len(at); n > 0 {
		what = strconv.Quote(at[n-1])
		if _, number := strconv.Atoi(at[n-1]); number == nil && n > 1 {
			what = "an item of " + strconv.Quote(at[n-2])
		}
	}
	switch k := err.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			at, _ := locate(root, append(slices.Clone(at), name))
			f.add(at, "unknown field %q%s", name, nearest(name, fields(err.SchemaURL)))
		}
	case *kind.Required:
		f.add(value, "%s has no %s", what, strings.Join(k.Missing, ", "))
	case *kind.Type:
		f.add(value, "%s is %s, and must be %s", what, article(k.Got), article(strings.Join(k.Want, " or ")))
	case *kind.Enum:
		f.add(value, "%s is %v, and must be one of %s", what, k.Got, strings.Trim(fmt.Sprint(k.Want), "[]"))
	case *kind.Const:
		f.add(value, "%s is %v, and must be %v", what, k.Got, k.Want)
	case *kind.Pattern:
		f.add(key, "%s does not fit: %s", strconv.Quote(k.Got), pattern(k.Want))
	default:
		f.add(value, "%s: %s", what, k.LocalizedString(message.NewPrinter(language.English)))
	}
}

// pattern says in words what a pattern of the schema asks for.
func pattern(expression string) string {
	switch {
	case strings.Contains(expression, "KiB"):
		return "a size is a whole number with KiB, MiB or GiB, such as 512MiB"
	case strings.Contains(expression, "ms|s"):
		return "a duration is such as 500ms, 30s or 2m"
	case strings.HasPrefix(expression, "^[a-z0-9]["):
		return "a name begins with a small letter or digit, goes on with these and . _ -, and has at most 48 characters"
	case strings.HasPrefix(expression, "^[A-Za-z_]"):
		return "a variable's name has letters, digits and _"
	}
	return "it must match " + expression
}

// article puts a or an before a word of JSON's types.
func article(types string) string {
	switch {
	case strings.HasPrefix(types, "null"):
		return "empty"
	case strings.IndexByte("aeiou", types[0]) >= 0:
		return "an " + types
	}
	return "a " + types
}

// fields returns the properties that the schema at url knows.
func fields(url string) []string {
	_, compiler := compiled()
	part, err := compiler.Compile(url)
	if err != nil {
		return nil
	}
	return slices.Collect(maps.Keys(part.Properties))
}

// locate follows path from root. It returns the node of the value, and that of the key before it, which is the value's when there is no key; where the
// path cannot be followed, the last node that it came to.
func locate(root *yaml.Node, path []string) (key, value *yaml.Node) {
	key, value = root, root
	for _, step := range path {
		k, v := child(meant(value), step)
		if v == nil {
			break
		}
		key, value = k, v
	}
	return key, value
}

// meant returns what an alias stands for, and any other node as it is.
func meant(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	default: // a scalar has no children
	}
	return nil, nil
}
