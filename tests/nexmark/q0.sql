-- Every bid as it is: what reading and writing cost.
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra VARCHAR) WITH (${SINK});
INSERT INTO answer SELECT auction, bidder, price, `dateTime`, extra FROM bid;
