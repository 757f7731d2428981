"""Makes the Parquet files of the tests with pyarrow: python make_parquet.py"""

from datetime import datetime, time, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

utc = timezone.utc
columns = {
    "i8": pa.array([1, None, -1], pa.int8()),
    "unused": pa.array([[1], [2], None], pa.list_(pa.int32())),
    "u32": pa.array([4000000000, None, 0], pa.uint32()),
    "dict": pa.array(["a", None, "a"]).dictionary_encode(),
    "large": pa.array(["one", None, "two"], pa.large_string()),
    "fixed": pa.array([b"\0\1\2", None, b"\xff\xff\xff"], pa.binary(3)),
    "dec": pa.array([Decimal("1.500"), None, Decimal("-12345678901234567.890")], pa.decimal128(20, 3)),
    "ts": pa.array([datetime(2024, 1, 1, 12, 34, 56, 789123), None, datetime(1969, 12, 31, 23, 59, 59, 999999)], pa.timestamp("us")),
    "tz": pa.array([datetime(2024, 1, 1, 12, 34, 56, 789123, utc), None, datetime(1969, 12, 31, 23, 59, 59, 999999, utc)], pa.timestamp("us", "UTC")),
    "time": pa.array([time(1, 2, 3, 4000), None, time(23, 59, 59, 999999)], pa.time64("us")),
    "list": pa.array([[datetime(2024, 1, 1), None], None, []], pa.list_(pa.timestamp("us"))),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())),
    "pair": pa.array([{"x": 1, "y": "u"}, None, {"x": None, "y": None}], pa.struct([("x", pa.int64()), ("y", pa.large_string())])),
}
table = pa.table(columns)
pq.write_table(table, "pyarrow_int96.parquet", use_deprecated_int96_timestamps=True, compression="snappy", use_compliant_nested_type=False)
pq.write_table(table, "pyarrow_v2.parquet", version="2.6", data_page_version="2.0", compression="zstd", row_group_size=2)
