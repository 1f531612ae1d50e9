-- Users whose new name or picture is not in the member events of all their rooms yet (client/profile_spread.c).
CREATE TABLE profile_spreads (
    user_nid BIGINT PRIMARY KEY,
    change BIGINT NOT NULL,     -- number of the newest change: an older one's progress does not count for it
    reached BIGINT NOT NULL     -- rooms up to this nid have it
) KEYED;
