-- One row an entity that ever had an event or a value.
CREATE TABLE entities (
	entity    bytea  PRIMARY KEY,        -- SHA-256 over the two parts, which may be longer than an index takes
	namespace bytea  NOT NULL,           -- the persistence id, as bytes
	key       bytea  NOT NULL,           -- the entity id, as bytes
	pruned    bigint NOT NULL DEFAULT 0  -- events 1 to this one were removed
);

CREATE TABLE events (
	entity  bytea  NOT NULL,
	seq     bigint NOT NULL,             -- from 1, without gaps
	payload bytea  NOT NULL,             -- an encoded google.protobuf.Any
	note    bytea,                       -- what the proxy remembers with it; nearly always NULL
	PRIMARY KEY (entity, seq)
);

-- The newest snapshot of each entity.
CREATE TABLE snapshots (
	entity  bytea  PRIMARY KEY,
	seq     bigint NOT NULL,             -- the last event that it includes
	payload bytea  NOT NULL
);

-- The state of value entities.
CREATE TABLE vals (
	entity  bytea  PRIMARY KEY,
	version bigint NOT NULL,             -- counts the puts since the value was last absent
	payload bytea  NOT NULL,
	note    bytea
);

-- Who may write to a shard: the holder that got the newest token.
CREATE TABLE owners (
	shard  bigint PRIMARY KEY,
	token  bigint NOT NULL,
	holder text COLLATE "C" NOT NULL     -- '' once it was released
);

-- The signs of life of the running proxies.
CREATE TABLE leases (
	holder    text COLLATE "C" PRIMARY KEY,
	beat      bigint NOT NULL,
	length_ms bigint NOT NULL
);
