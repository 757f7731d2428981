-- The highest bid of every ten seconds: a window's result joined back to the stream.
CREATE TABLE answer (auction BIGINT, price BIGINT, bidder BIGINT, `dateTime` TIMESTAMP(3), extra VARCHAR) WITH (${SINK});
INSERT INTO answer
SELECT b.auction, b.price, b.bidder, b.`dateTime`, b.extra
FROM bid b
JOIN (
    SELECT MAX(price) AS maxprice, window_end AS closed
    FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end
) highest
ON b.price = highest.maxprice
WHERE b.`dateTime` BETWEEN highest.closed - INTERVAL '10' SECOND AND highest.closed;
