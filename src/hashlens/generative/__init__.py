"""Generative models with encoders: GAN, BiGAN with and without an autoencoder loss, inverted GAN, VAE."""

from hashlens.generative.bigan import BiGAN
from hashlens.generative.evaluate import evaluate
from hashlens.generative.evaluation import GenerativeEvaluation
from hashlens.generative.gan import GAN
from hashlens.generative.grid import write_grid
from hashlens.generative.info import GenerativeInfo
from hashlens.generative.inverted_gan import InvertedGAN
from hashlens.generative.model import GenerativeModel
from hashlens.generative.pictures import GeneratedPictures, pictures
from hashlens.generative.saved import load
from hashlens.generative.settings import Settings
from hashlens.generative.vae import VAE

__all__ = [
    "GAN",
    "VAE",
    "BiGAN",
    "GeneratedPictures",
    "GenerativeEvaluation",
    "GenerativeInfo",
    "GenerativeModel",
    "InvertedGAN",
    "Settings",
    "evaluate",
    "load",
    "pictures",
    "write_grid",
]
