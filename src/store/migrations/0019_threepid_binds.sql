-- At which identity servers users have published their addresses, so that it can be taken back.

CREATE TABLE threepid_binds (
    user_nid BIGINT NOT NULL,
    medium TEXT NOT NULL,           -- "email", "msisdn"
    address TEXT NOT NULL,          -- as the identity server told it
    id_server TEXT NOT NULL,        -- host, and port if it has one
    PRIMARY KEY (user_nid, medium, address, id_server)
) KEYED;
