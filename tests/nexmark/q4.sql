-- The average of the winning bids of each category: a join, and an aggregate over an aggregate that is corrected.
CREATE TABLE answer (category BIGINT, average BIGINT) WITH (${SINK});
INSERT INTO answer
SELECT won.category, AVG(won.final)
FROM (
    SELECT MAX(b.price) AS final, a.category
    FROM auction a, bid b
    WHERE a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
    GROUP BY a.id, a.category
) won
GROUP BY won.category;
