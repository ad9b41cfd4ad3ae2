"""A script as anybody has one: logistic regression that logs with MLflow's client and knows nothing of muster.

    train.py --lr 0.1 --epochs 5 [--pause 0.1]
"""

import argparse
import math
import random
import time

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--pause", type=float, default=0.0)
flags = parser.parse_args()

random.seed(0)
points = [(x, 1.0 if x > 0.3 else 0.0) for x in (random.uniform(-1, 1) for _ in range(200))]
weight = bias = 0.0
with mlflow.start_run():
    mlflow.log_param("points", len(points))
    for epoch in range(1, flags.epochs + 1):
        loss = 0.0
        for x, label in points:
            guess = 1 / (1 + math.exp(-(weight * x + bias)))
            loss -= math.log(guess if label else 1 - guess) / len(points)
            weight -= flags.lr * (guess - label) * x
            bias -= flags.lr * (guess - label)
        mlflow.log_metric("loss", loss, step=epoch)
        time.sleep(flags.pause)
