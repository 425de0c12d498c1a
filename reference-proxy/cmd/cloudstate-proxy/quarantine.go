package main

import (
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/serve"
)

// quarantine shows the management port the entities that the host refuses. Before there is a host there are none.
type quarantine struct{ p *proxy }

// List implements serve.Quarantine.
func (q quarantine) List() []serve.QuarantinedEntity {
	host := q.p.host.Load()
	if host == nil {
		return nil
	}
	var list []serve.QuarantinedEntity
	for _, e := range host.Quarantined() {
		list = append(list, serve.QuarantinedEntity{
			PersistenceID: journal.EscapeID(e.ID.Namespace), EntityID: journal.EscapeID(e.ID.Key), Service: e.Service,
			Reason: e.Reason, Since: e.Since.UTC(), NextTry: e.Next.UTC(), Tries: e.Tries,
		})
	}
	return list
}

// Retry implements serve.Quarantine.
func (q quarantine) Retry(which func(persistenceID, entityID string) bool) int {
	host := q.p.host.Load()
	if host == nil {
		return 0
	}
	return host.Retry(func(id journal.EntityID) bool { return which(journal.EscapeID(id.Namespace), journal.EscapeID(id.Key)) })
}
