package importrules

import (
	"fmt"
	"slices"
	"strings"
)

// A Package is what the checker needs to know of a Go package; its JSON names are those of `go list -json`.
type Package struct {
	ImportPath string
	// Imports are the imports of the package itself.
	Imports []string
	// TestImports are those of its _test.go files in the same package.
	TestImports []string
	// XTestImports are those of its _test.go files in the package NAME_test.
	XTestImports []string
}

// A Rule says what the packages of one room may import. Rooms are folders, named from the module's root; a package belongs
// to the innermost room that contains it. Imports inside a room are free.
type Rule struct {
	// Room is the folder, "." for the root package alone.
	Room string
	// May lists the rooms that this room may import. "X/..." is X and every room inside it.
	May []string
	// TestsMay lists rooms that the tests of this room may import besides.
	TestsMay []string
	// Modules limits what may be imported from other modules, as path prefixes; nil does not limit, empty allows the
	// standard library only. Tests may use any module.
	Modules []string
	// Never lists packages from outside of this module, as path prefixes, that the room itself (not its tests) must not import.
	Never []string
	// Reason is the sentence that a violation is explained with.
	Reason string
}

// A Violation is one import that the table does not admit.
type Violation struct {
	// Package is the importing package, Import what it imports; Import is empty when the package itself has no rule.
	Package, Import string
	// InTest tells that the import is in a _test.go file.
	InTest bool
	// Reason says which rule it breaks and why that rule is there.
	Reason string
}

// String is the violation as one line for a person.
func (v Violation) String() string {
	if v.Import == "" {
		return fmt.Sprintf("%s: %s", v.Package, v.Reason)
	}
	where := ""
	if v.InTest {
		where = " (in a test)"
	}
	return fmt.Sprintf("%s imports %s%s: %s", v.Package, v.Import, where, v.Reason)
}

// Check returns what packages of the given module break the rules, in the order of the packages.
// A package of the module that no rule covers is a violation as well: a new room needs a decision.
func Check(module string, rules []Rule, packages []Package) []Violation {
	checker := checker{module: module, rules: rules}
	var violations []Violation
	for _, p := range packages {
		violations = append(violations, checker.check(p)...)
	}
	return violations
}

type checker struct {
	module string
	rules  []Rule
}

func (c checker) check(p Package) []Violation {
	folder, ours := c.folder(p.ImportPath)
	if !ours {
		return nil
	}
	rule, found := c.rule(folder)
	if !found {
		return []Violation{{Package: p.ImportPath, Reason: "no rule covers this folder: add its room to the table in ci/importrules/rules.go"}}
	}
	var violations []Violation
	refuse := func(path string, inTest bool, why string) {
		violations = append(violations, Violation{Package: p.ImportPath, Import: path, InTest: inTest, Reason: why})
	}
	for _, path := range p.Imports {
		if why, refused := c.refused(rule, path, false); refused {
			refuse(path, false, why)
		}
	}
	for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
		if why, refused := c.refused(rule, path, true); refused {
			refuse(path, true, why)
		}
	}
	return violations
}

// refused says why the rule does not admit the import, if it does not.
func (c checker) refused(rule Rule, path string, inTest bool) (string, bool) {
	folder, ours := c.folder(path)
	if !ours {
		if inTest {
			return "", false
		}
		if slices.ContainsFunc(rule.Never, func(prefix string) bool { return within(path, prefix) }) {
			return fmt.Sprintf("%s must not: %s", rule.Room, rule.Reason), true
		}
		if rule.Modules != nil && !isStandard(path) && !slices.ContainsFunc(rule.Modules, func(prefix string) bool { return within(path, prefix) }) {
			return fmt.Sprintf("%s may use the standard library and %v only: %s", rule.Room, rule.Modules, rule.Reason), true
		}
		return "", false
	}
	target, found := c.rule(folder)
	if !found {
		return "no rule covers the imported folder", true
	}
	allowed := rule.May
	if inTest {
		allowed = slices.Concat(allowed, rule.TestsMay)
	}
	if target.Room == rule.Room || slices.ContainsFunc(allowed, func(entry string) bool { return admits(entry, target.Room) }) {
		return "", false
	}
	return fmt.Sprintf("%s may import %v: %s", rule.Room, allowed, rule.Reason), true
}

// rule finds the rule of the innermost room that contains the folder.
func (c checker) rule(folder string) (Rule, bool) {
	var best Rule
	found := false
	for _, rule := range c.rules {
		inside := folder == rule.Room || rule.Room != "." && within(folder, rule.Room)
		if inside && (!found || len(rule.Room) > len(best.Room)) {
			best, found = rule, true
		}
	}
	return best, found
}

// folder is the package's folder from the module's root, and whether the package is of this module at all.
func (c checker) folder(path string) (string, bool) {
	if path == c.module {
		return ".", true
	}
	return strings.CutPrefix(path, c.module+"/")
}

// admits tells whether an entry of a rule's lists covers the room.
func admits(entry, room string) bool {
	if prefix, all := strings.CutSuffix(entry, "/..."); all {
		return within(room, prefix)
	}
	return entry == room
}

// within tells whether path is prefix or inside it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// isStandard tells whether the path is of the standard library: only there has the first part of a path no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
