"""Pictures measured on more than one machine, by Ray Data; `pip install "starflow[scale]"` brings it.

    from starflow_core.scale import score_dataset

    score_dataset("s3://bucket/pictures").write_parquet("s3://bucket/scores")

Ray places, restarts and feeds the workers. Each holds the model; the machine that asks sends it to them once.
"""

from .datasets import anomaly_dataset, match_dataset, measured_dataset, score_dataset

__all__ = ["anomaly_dataset", "match_dataset", "measured_dataset", "score_dataset"]
