-- Writes the bids to newline-delimited JSON and to Parquet, the same rows in both, in files of one table with a flat row.
-- ${SOURCE} is the generator, ${JSON} and ${PARQUET} the folders.
CREATE TABLE datagen (
    event_type INT,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>
) WITH (${SOURCE});
CREATE TABLE bids_json (
    auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR
) WITH ('connector' = 'filesystem', 'path' = '${JSON}', 'format' = 'json', 'sink.rolling-policy.file-size' = '1 tb');
CREATE TABLE bids_parquet (
    auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR
) WITH ('connector' = 'filesystem', 'path' = '${PARQUET}', 'format' = 'parquet', 'sink.rolling-policy.file-size' = '1 tb',
    'parquet.compression' = 'ZSTD', 'parquet.block.size' = '8 mb');
BEGIN STATEMENT SET;
INSERT INTO bids_json SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.`dateTime`, bid.extra FROM datagen WHERE event_type = 2;
INSERT INTO bids_parquet SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.`dateTime`, bid.extra FROM datagen WHERE event_type = 2;
END;
