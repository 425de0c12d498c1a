package serve

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Quarantine knows the entities that are refused, as what is stored of them is damaged. Its methods may be called
// concurrently and must not block for long.
type Quarantine interface {
	// List returns all of them.
	List() []QuarantinedEntity
	// Retry lets the next command to them have the entities loaded again for which which is true, and returns how many they are.
	Retry(which func(persistenceID, entityID string) bool) int
}

// QuarantinedEntity is an entity that is refused, as GET /quarantine tells it.
type QuarantinedEntity struct {
	// PersistenceID and EntityID are in the notation of the command line: what cannot be printed, and %, is %XX.
	PersistenceID string `json:"persistenceId"`
	EntityID      string `json:"entityId"`
	Service       string `json:"service"`
	// Reason says what was found, and where.
	Reason string `json:"reason"`
	// Since is when it was met first, NextTry from when on a command has the entity loaded again.
	Since   time.Time `json:"since"`
	NextTry time.Time `json:"nextTry"`
	// Tries is how often the entity was loaded in vain.
	Tries int `json:"tries"`
}

func answerQuarantine(w http.ResponseWriter, list []QuarantinedEntity) {
	if list == nil {
		list = []QuarantinedEntity{}
	}
	answerJSON(w, http.StatusOK, struct {
		Quarantined []QuarantinedEntity `json:"quarantined"`
	}{list})
}

// retryQuarantine is for all entities, or for those that the parameters name, in the notation of QuarantinedEntity.
func retryQuarantine(w http.ResponseWriter, r *http.Request, q Quarantine) {
	// What cannot be read must not be left out: fewer parameters mean more entities.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": "the parameters cannot be read: " + err.Error() + "; in a value, % is written %25, & is written %26 and ; is written %3B"})
		return
	}
	for name := range query {
		if name != "persistenceId" && name != "entityId" {
			answerJSON(w, http.StatusBadRequest, map[string]string{"error": "there is no parameter " + name + "; give persistenceId, or it and entityId, or none"})
			return
		}
	}
	if query.Has("entityId") && !query.Has("persistenceId") {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": "entityId without persistenceId: say whose entity it is"})
		return
	}
	n := q.Retry(func(persistenceID, entityID string) bool {
		return (!query.Has("persistenceId") || query.Get("persistenceId") == persistenceID) && (!query.Has("entityId") || query.Get("entityId") == entityID)
	})
	answerJSON(w, http.StatusOK, map[string]int{"retried": n})
}

func answerJSON(w http.ResponseWriter, code int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(what) //nolint:errchkjson // its types are few and can be encoded; whoever asked may have gone
}
