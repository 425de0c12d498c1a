package config

import "fmt"

// Transfer is what the commands that read and write entities are asked for.
type Transfer struct {
	// PersistenceID and EntityID, if not nil, say which entities are meant, in the notation of
	// journal.EscapeID; EntityID is set only if the other is.
	PersistenceID, EntityID *string
	// File is the file to write or to read, "" for the standard output or input.
	File string
	// DryRun has an import only read.
	DryRun bool
}

// Flags that are no settings have types of their own: kong reads those, and not the settings' parser.
type (
	flagText   string
	flagSwitch bool
)

// whichFlags say which entities are meant.
type whichFlags struct {
	PersistenceID *flagText `name:"persistence-id" placeholder:"ID" help:"Only entities of this persistence id: the name that the user function gives its entity type. Any byte may be written as %XX; % itself is %25."`
	EntityID      *flagText `name:"entity-id" placeholder:"ID" help:"Only the entity with this id, of the persistence id given; in the same notation."`
}

type exportCommand struct {
	whichFlags
	File flagText `name:"file" placeholder:"FILE" help:"File to write, which must not be there yet. The standard output by default."`
}

// Help teaches what an export is for.
func (exportCommand) Help() string {
	return `Writes what the store holds of all entities, or of some, as lines of text: events, newest snapshot, value. Proxies may run meanwhile on
a database; the embedded store is one process's, so stop its proxy first. Each entity is exported as it was at one moment. Leases and
owners are not exported.

  PROGRAM store export --store=postgres --file=backup.jsonl
  PROGRAM store export --persistence-id=shopping-cart --entity-id=cart-7
  PROGRAM store export | gzip > backup.jsonl.gz

The format is described in docs/operations/export-format.md. What is damaged is left out, named on standard error, and makes the exit
status 1, as does an entity that is not there.

Exit status: 0 all of it is exported, 1 something is not, 2 a setting is wrong.`
}

type importCommand struct {
	File   flagText   `name:"file" placeholder:"FILE" help:"File to read. The standard input by default."`
	DryRun flagSwitch `name:"dry-run" help:"Only read all of it and say what it holds, whether it is whole, and whether damaged entities were left out of it; connects to nothing."`
}

// Help teaches what an import does and does not do.
func (importCommand) Help() string {
	return `Writes the entities of an export into the store. Every line is verified before it is used. An entity that is there already with the
same content is passed over, so that an import that was cut off can simply be run again; one that is there with other content is
refused and left as it is, unless only its snapshot or its value differs and events were missing before: these are added by then, and the
import says so. The import takes the entities' shards over as a proxy does: it waits until a proxy that was killed has lost its lease,
and refuses what a running proxy owns. So stop the proxies that use the store, or import before they start.

  PROGRAM store import --store=postgres --file=backup.jsonl
  PROGRAM store export --data-dir=old | PROGRAM store import --store=cassandra
  PROGRAM store import --dry-run --file=backup.jsonl

Exit status: 0 all of it is in the store (with --dry-run: could be), 1 something is not, or was left out of the export as damaged, 2 a
setting is wrong.`
}

type checkCommand struct{ whichFlags }

// Help teaches what a check sees.
func (checkCommand) Help() string {
	return `Reads what the store holds of all entities, or of some, and names on standard output each one that is damaged, with what was found. It
changes nothing. Proxies may run meanwhile on a database; the embedded store is one process's, so stop its proxy first.

  PROGRAM store check --store=postgres

What no check can see is said in docs/operations/running-it-on-your-data.md: above all the loss of an entity's newest events, unless a
snapshot stood on them.

Exit status: 0 nothing is damaged, 1 something is, or could not be read, 2 a setting is wrong.`
}

// transfer is what the command line says to the command.
func (s storeCommand) transfer(command Command) (t Transfer, err error) {
	var which whichFlags
	switch command {
	case StoreExport:
		which, t.File = s.Export.whichFlags, string(s.Export.File)
	case StoreImport:
		t.File, t.DryRun = string(s.Import.File), bool(s.Import.DryRun)
	case StoreCheck:
		which = s.Check.whichFlags
	case Run, StoreMigrate, StorePrintSchema:
	}
	t.PersistenceID, t.EntityID = (*string)(which.PersistenceID), (*string)(which.EntityID)
	if t.EntityID != nil && t.PersistenceID == nil {
		return t, &Error{Place: "flag --entity-id", Problem: "an entity id without a persistence id", Remedy: "say with --persistence-id whose entity it is"}
	}
	return t, nil
}

// neededForData looks for what a command needs that reads or writes entities.
func (p *parser) neededForData(command Command, c *Config) error {
	if c.Store == StoreEmbedded {
		return nil
	}
	return &Error{
		Place: p.place("store"), Problem: fmt.Sprintf("%q is about what a store keeps, and the store %s keeps nothing", command, c.Store),
		Remedy: "choose --store=embedded, --store=postgres or --store=cassandra (CLOUDSTATE_STORE)",
	}
}
