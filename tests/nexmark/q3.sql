-- Who sells in three states, in one category: a join of two streams that keeps both.
CREATE TABLE answer (name VARCHAR, city VARCHAR, state VARCHAR, id BIGINT) WITH (${SINK});
INSERT INTO answer
SELECT p.name, p.city, p.state, a.id
FROM auction AS a JOIN person AS p ON a.seller = p.id
WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA');
