-- Bids with what a small file says of them. Flink has no look-up into files, so that the file is one side of a join.
-- ${SIDE} is the file: a number and a text a line.
CREATE TABLE side_input (`key` BIGINT, `value` VARCHAR) WITH ('connector' = 'filesystem', 'path' = '${SIDE}', 'format' = 'csv');
CREATE TABLE answer (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), `value` VARCHAR) WITH (${SINK});
INSERT INTO answer
SELECT b.auction, b.bidder, b.price, b.`dateTime`, s.`value`
FROM bid b JOIN side_input s ON MOD(b.auction, 10000) = s.`key`;
