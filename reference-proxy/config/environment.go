package config

import (
	"regexp"
	"strings"
)

// variablePrefix begins the variables that are this program's own, but for the traditional ones such as HTTP_PORT.
const variablePrefix = "CLOUDSTATE_"

// Kubernetes puts variables into every container that tell where the Services of its namespace are, named after them:
// a Service cloudstate-proxy gives CLOUDSTATE_PROXY_SERVICE_HOST, CLOUDSTATE_PROXY_PORT=tcp://10.0.0.9:9000 and more.
var (
	serviceName  = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	serviceValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// Unknown is a variable that looks like a setting and is none, so that it is ignored.
type Unknown struct {
	// Variable is its name, such as CLOUDSTATE_STROE. Its value is not kept, so that it cannot be logged.
	Variable string
	// Remedy tells which setting was probably meant, or where all are listed.
	Remedy string
}

// UnknownVariables finds, in environ's order, the variables of environ (as os.Environ gives it) that were probably meant
// as settings, so that a misspelt one can be told. What Kubernetes says of Services does not count, nor does an empty
// variable. They are no errors, since a name alone does not prove that this program was meant.
func UnknownVariables(environ []string) []Unknown {
	var unknown []Unknown
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || value == "" || isVariable(name) || ofService(name, value) {
			continue
		}
		remedy := "see --help for all settings"
		if s, found := nearest(rest); found {
			remedy = "did you mean " + s.env + "?"
		}
		unknown = append(unknown, Unknown{Variable: name, Remedy: remedy})
	}
	return unknown
}

func isVariable(name string) bool {
	for _, s := range settings {
		if s.env == name {
			return true
		}
	}
	return false
}

func ofService(name, value string) bool {
	return serviceName.MatchString(name) || (strings.HasSuffix(name, "_PORT") && serviceValue.MatchString(value))
}
