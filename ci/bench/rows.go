package main

// row is one thing that is measured against the floor.
type row struct {
	// name is the key in the report's ratios, before @ and the callers.
	name, title string
	method      string
	store       store
}

// store is a proxy's setting of its store: one proxy runs for each.
type store string

const (
	inMemory      store = "memory"
	embedded      store = "embedded"
	embeddedNoFsy store = "embedded-nosync"
)

var stores = []store{inMemory, embedded, embeddedNoFsy}

// writeMethod is what an event-sourced entity writes with: one event.
const writeMethod = "/cloudstate.bench.EventSourced/Add"

var rows = []row{
	{"read", "event sourced, read", "/cloudstate.bench.EventSourced/Get", inMemory},
	{"read-value", "value, read", "/cloudstate.bench.Value/Get", inMemory},
	{"action", "action, unary", "/cloudstate.bench.Action/Call", inMemory},
	{"write-memory", "event sourced, write, in memory", writeMethod, inMemory},
	{"write-value-memory", "value, write, in memory", "/cloudstate.bench.Value/Set", inMemory},
	{"write-embedded-nosync", "event sourced, write, embedded, no fsync", writeMethod, embeddedNoFsy},
	{"write-embedded", "event sourced, write, embedded, fsync", writeMethod, embedded},
}

func rowNamed(name string) *row {
	for i := range rows {
		if rows[i].name == name {
			return &rows[i]
		}
	}
	return nil
}

func rowNames() []string {
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].name
	}
	return names
}

// onlyStores, as the one row that is measured, leaves out all rows and the footprint.
const onlyStores = "stores"

// chosen are the rows that a run measures.
func (s *settings) chosen() []row {
	if s.Only == onlyStores {
		return nil
	}
	if r := rowNamed(s.Only); r != nil {
		return []row{*r}
	}
	return rows
}
