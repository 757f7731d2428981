-- Bids of those who sell as well, with the person and all that they sell: a join of three.
CREATE TABLE answer (
    bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, bid_extra VARCHAR,
    person_id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, person_extra VARCHAR,
    itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, auction_dateTime TIMESTAMP(3),
    expires TIMESTAMP(3), seller BIGINT, category BIGINT, auction_extra VARCHAR
) WITH (${SINK});
INSERT INTO answer
SELECT bidder, price, channel, url, b.extra,
       p.id, name, emailAddress, creditCard, city, state, p.extra,
       itemName, description, initialBid, reserve, a.`dateTime`, expires, seller, category, a.extra
FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder;
